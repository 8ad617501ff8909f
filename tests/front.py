"""The gateway in this process on the real database, in front of one service that tells what reached it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final, Self

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.backend_client import client_assertion, token_request
from gateway.keys import KeyPair, generate_key_pair
from gateway.registry import Client, Clients
from gateway.settings import GatewaySettings
from services.kit.caller import verify
from services.kit.clock import StillClock
from services.kit.database import Database
from services.kit.peers import Peers
from tests import evidence

KEY: Final = "0123456789abcdef-a-key-for-tests-only"
ORIGIN: Final = "http://127.0.0.1:8000"
BASE: Final = f"{ORIGIN}/fhir"
TOKEN_URL: Final = f"{ORIGIN}/auth/token"
TYPES: Final = ("Patient", "Observation", "Task", "Binary")


class Mirror:
    """A service that answers each signed request with what it saw; `answer` replaces the answer."""

    def __init__(self, clock: StillClock) -> None:
        self.clock = clock
        self.seen: list[dict[str, Any]] = []
        self.answer: tuple[int, list[tuple[bytes, bytes]], bytes] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body: bytes = (await receive())["body"]
        status, headers, content = self._answer(scope, body)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, scope: Any, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if scope["path"] == "/internal/served":
            return 200, [], json.dumps([{"type": name} for name in TYPES]).encode()
        if scope["path"] == "/livez":
            return 200, [], b"{}"
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        target = (scope["raw_path"] + (b"?" if scope["query_string"] else b"") + scope["query_string"]).decode()
        caller = verify(headers["x-yiyang-caller"], scope["method"], target, body, KEY.encode(), self.clock.seconds())
        seen = {
            "method": scope["method"],
            "target": target,
            "headers": headers,
            "body": body.decode("utf-8", "replace"),
        }
        self.seen.append(seen | {"caller": msgspec.to_builtins(caller)})
        fields = [(b"content-type", b"application/fhir+json"), (b"x-yiyang-trace", b"1"), (b"etag", b'W/"1"')]
        return self.answer or (200, fields, json.dumps(self.seen[-1], ensure_ascii=False).encode())


class Front:
    """The gateway as a client meets it, with its clock, its service and its registry at hand."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.clock = StillClock(datetime.now(UTC))
        self.mirror = Mirror(self.clock)
        self.database = Database(url)
        self.settings = GatewaySettings.model_validate({"database_url": url, "internal_key": KEY, **settings})
        self.clients = Clients(self.database.engine, self.clock)
        self.app = self.replica()
        self.http = self.connect(self.app)

    def replica(self, peers: Peers | None = None) -> FastAPI:
        """Another gateway on the same database, as another process would run it."""
        return create_app(self.settings, peers or Peers({"records": self.mirror}), self.database, self.clock)

    def connect(self, app: FastAPI) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(evidence.noted(app)), base_url=ORIGIN)

    async def register(self, keys: KeyPair, scopes: str = "system/*.cruds", name: str = "clinic-his") -> Client:
        return await self.clients.add(name, "clinic", scopes, keys.jwks)

    def assertion(self, keys: KeyPair, name: str = "clinic-his") -> str:
        return client_assertion(name, keys.kid, keys.private_key, TOKEN_URL, self.clock.seconds())

    async def ask_token(self, keys: KeyPair, scope: str = "system/*.cruds", **form: str) -> httpx.Response:
        return await self.http.post("/auth/token", data={**token_request(self.assertion(keys), scope), **form})

    async def bearer(self, keys: KeyPair, scope: str = "system/*.cruds") -> dict[str, str]:
        answer = await self.ask_token(keys, scope)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        await self.database.close()


@pytest.fixture(scope="session")
def keys() -> KeyPair:
    return generate_key_pair(2048)


@pytest.fixture
async def front(clean_database: str) -> AsyncIterator[Front]:
    async with Front(clean_database) as front:
        yield front
