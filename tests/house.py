"""The three services in this process on the real database, spoken to as the gateway would: signed, over ASGI."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from pydantic import SecretStr

from services.care.app import create_app as care
from services.kit.caller import HEADER, Caller, sign
from services.kit.clock import Clock, SystemClock
from services.kit.database import Database, role_of
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.records.app import create_app as records
from services.referral.app import create_app as referral
from tests import evidence

BASE: Final = "http://127.0.0.1:8000/fhir"
KEY: Final = "0123456789abcdef-a-key-for-tests-only"
FHIR_JSON: Final = "application/fhir+json"
HIS: Final = Caller("his", "hospital", None, ("system/*.cruds",), "TREAT", "request-1", "jti-1")

REFUSAL: Final = 400
REFUSED: Final[list[str]] = []
"""What was answered instead of what was asked for, since somebody looked last (tests/service/conftest.py)."""

Json = dict[str, Any]
NOBODY: Final = "nobody"  # whom many tests expect not to be there
_PATIENT: Final = re.compile(r"\bPatient/([A-Za-z0-9.-]{1,64})(?![A-Za-z0-9.-])")


class Response:
    """What a test looks at: status, headers in lower case, text and JSON."""

    def __init__(self, status_code: int, headers: list[tuple[bytes, bytes]], content: bytes) -> None:
        self.status_code = status_code
        self.headers = {name.decode().lower(): value.decode() for name, value in headers}
        self.content = content

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


class Fhir:
    """A client behind the gateway's signature; `as_` gives the same house to another caller.

    It registers the patients that a resource names and nobody knows, unless `introduces` is False: most tests are not about them.
    """

    def __init__(self, peers: Peers, caller: Caller, *, introduces: bool = True, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.peers = peers
        self.caller = caller
        self.introduces = introduces

    def as_(self, **changes: Any) -> "Fhir":
        return Fhir(
            self.peers, Caller(**{**_fields(self.caller), **changes}), introduces=self.introduces, clock=self.clock
        )

    async def get(self, path: str, **headers: str) -> Response:
        return await self.call("GET", path, b"", **headers)

    async def post(self, path: str, resource: Json | bytes, **headers: str) -> Response:
        return await self.call("POST", path, resource, **headers)

    async def put(self, path: str, resource: Json | bytes, **headers: str) -> Response:
        return await self.call("PUT", path, resource, **headers)

    async def delete(self, path: str, **headers: str) -> Response:
        return await self.call("DELETE", path, b"", **headers)

    async def created(self, resource: Json) -> Json:
        """Store a resource and give it back as stored."""
        response = await self.post(f"/{resource['resourceType']}", resource)
        assert response.status_code == 201, response.text
        stored: Json = response.json()
        return stored

    async def call(self, method: str, path: str, resource: Json | bytes = b"", **headers: str) -> Response:
        """`path` is below the FHIR base; keyword headers are spelled with `_`: `if_match='W/"1"'`."""
        body = resource if isinstance(resource, bytes) else json.dumps(resource, ensure_ascii=False).encode()
        answer = await self._send(method, path, body, headers)
        if self.introduces and answer.status_code == 422 and b"Patient/$register" in answer.content:
            for patient in dict.fromkeys(_PATIENT.findall(body.decode())):
                if patient != NOBODY and (await self._send("GET", f"/Patient/{patient}", b"", {})).status_code == 404:
                    known = json.dumps({"resourceType": "Patient", "id": patient}).encode()
                    await self._send("PUT", f"/Patient/{patient}", known, {})
            answer = await self._send(method, path, body, headers)
        return answer

    async def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
        target = "/fhir" + (path if path != "/" else "")
        fields = {"content-type": FHIR_JSON} if body else {}
        if path.startswith("/Binary/"):
            fields["accept"] = FHIR_JSON  # who does not say so gets the content
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        fields[HEADER] = sign(self.caller, method, target, body, KEY.encode(), self.clock.seconds())
        service = await self.peers.directory.owner(_type_of(path)) or "records"
        answer = await self.peers.call(
            service, method, target, [(n.encode(), v.encode()) for n, v in fields.items()], body
        )
        response = Response(answer.status, answer.headers, answer.body)
        evidence.note_people(body)
        evidence.note_answer(method, answer.status, answer.headers, answer.body)
        if response.status_code >= REFUSAL:
            REFUSED.append(f"{response.headers} {response.text}")
        return response


def _type_of(path: str) -> str:
    return path.lstrip("/").partition("?")[0].partition("/")[0] or "Patient"


def _fields(caller: Caller) -> Json:
    return {name: getattr(caller, name) for name in caller.__struct_fields__}


@asynccontextmanager
async def in_one_process(
    database_url: str, own: ServiceSettings | None = None, clock: Clock | None = None, **instead: Callable[..., Any]
) -> AsyncIterator[Peers]:
    """Records, referral and care in one process, each under its own database role, as `yiyang up` runs them.

    A service that is named `instead` is made by what is given for it.
    """
    settings = own or ServiceSettings(database_url=database_url, internal_key=SecretStr(KEY), public_base=BASE)
    databases: list[Database] = []
    apps: dict[str, Any] = {}
    peers = Peers({name: _late(apps, name) for name in ("records", "referral", "care")})
    for name, create in ({"records": records, "referral": referral, "care": care} | instead).items():
        databases.append(Database(database_url, role=role_of(name)))
        apps[name] = create(settings, database=databases[-1], peers=peers, clock=clock)
    yield peers
    for app in apps.values():
        evidence.note("metrics", (await app.state.metrics.text()).decode())
    await peers.close()
    for database in databases:
        await database.close()


@pytest.fixture(scope="session")
async def house(database_url: str) -> AsyncIterator[Peers]:
    async with in_one_process(database_url) as peers:
        yield peers


def _late(apps: dict[str, Any], name: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[name](scope, receive, send)

    return app


@pytest.fixture
def fhir(house: Peers) -> Fhir:
    return Fhir(house, HIS)
