"""The gateway in front of the three services, in this process, with a token of a client that may do everything."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from gateway.app import create_app
from gateway.backend_client import client_assertion, token_request
from gateway.keys import generate_key_pair
from gateway.registry import Clients
from gateway.settings import GatewaySettings
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.peers import PeerAnswer, Peers
from tests import evidence
from tests.conftest import _empty
from tests.front import TOKEN_URL
from tests.fuzz.requests import Request
from tests.house import FHIR_JSON, KEY, Json, house
from tests.minimal import json_of, minimal

__all__ = ["house"]
SOME = ("Patient", "Organization", "Questionnaire", "ValueSet", "Basic")
JSON = {"content-type": FHIR_JSON}
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]


class Door:
    """The gateway's ASGI app, asked as uvicorn would ask it; `document` is its own account of its routes."""

    def __init__(self, app: Any, document: Json, token: str) -> None:
        self._peers = Peers({"gateway": app})
        self.document = document
        self._token = token

    async def ask(self, request: Request) -> PeerAnswer:
        headers = [(name.encode(), value.encode("utf-8", "replace")) for name, value in request.headers.items()]
        if request.is_known:
            headers.append((b"authorization", f"Bearer {self._token}".encode()))
        answer = await self._peers.call("gateway", request.method, request.target, headers, request.body)
        evidence.note_answer(request.method, answer.status, (), answer.body)
        return answer


@pytest.fixture(scope="session")
async def door(house: Peers, database_url: str) -> AsyncIterator[Door]:
    settings = GatewaySettings.model_validate({"database_url": database_url, "internal_key": KEY})
    database = Database(database_url)
    app = create_app(settings, house, database)
    document = await _ask_json(app, "GET", "/openapi.json")
    door = Door(app, document, await _token(app, database))
    for name in SOME:
        await door.ask(Request("PUT", f"/fhir/{name}/1", JSON, json_of(minimal(name) | {"id": "1"}), is_known=True))
    yield door
    await database.close()


@pytest.fixture(scope="package", autouse=True)
def _swept(database_url: str) -> Iterator[None]:
    yield
    asyncio.run(_empty(database_url))


async def _token(app: Any, database: Database) -> str:
    keys, clock = generate_key_pair(2048), SystemClock()
    await Clients(database.engine, clock).add("fuzz", "hospital", "system/*.cruds", keys.jwks)
    assertion = client_assertion("fuzz", keys.kid, keys.private_key, TOKEN_URL, clock.seconds())
    form = "&".join(f"{name}={value}" for name, value in token_request(assertion, "system/*.cruds").items())
    return str((await _ask_json(app, "POST", "/auth/token", form.encode()))["access_token"])


async def _ask_json(app: Any, method: str, target: str, body: bytes = b"") -> Json:
    answer = await Peers({"gateway": app}).call("gateway", method, target, FORM if body else [], body)
    assert answer.status == 200, answer.body
    found: Json = msgspec.json.decode(answer.body)
    return found
