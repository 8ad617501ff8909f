"""Where the story is played: a running server, seen only through its public API, each step told as it happens.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import httpx

from gateway.backend_client import client_assertion, token_request
from gateway.keys import KeyPair
from yiyang.story.elements import Json

FHIR_JSON: Final = "application/fhir+json"
TIMEOUT_SECONDS: Final = 60
PATH_WIDTH: Final = 64

Tell = Callable[[str], None]
_LOCATION: Final = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9.-]+)/_history/[A-Za-z0-9.-]+$")


class StoryError(Exception):
    """A step was not answered as the story expects; the text says which and how."""


class Credentials(NamedTuple):
    """One registered client and its keys."""

    client_id: str
    keys: KeyPair


class Stage:
    """One base URL. It numbers and prints the steps, and stops the story at the first that goes wrong."""

    def __init__(self, http: httpx.AsyncClient, base: str, tell: Tell = print) -> None:
        self.base = base.rstrip("/")
        self.steps = 0
        self._http = http
        self._tell = tell

    async def step(self, request: httpx.Request, says: str, expect: int = 200) -> httpx.Response:
        """Send one request, print it with its answer's status and time, and return the answer."""
        started = time.perf_counter()
        try:
            answer = await self._http.send(request)
        except httpx.HTTPError as error:
            raise StoryError(f"{request.method} {request.url}: {type(error).__name__}: {error}") from error
        elapsed = (time.perf_counter() - started) * 1000
        self.steps += 1
        target = request.url.raw_path.decode()
        mark = "✓" if answer.status_code == expect else "✗"
        self._tell(
            f"{self.steps:>3} {mark} {request.method:<5} {target:<{PATH_WIDTH}} {answer.status_code} {elapsed:>6.0f} ms  {says}"
        )
        if answer.status_code != expect:
            raise StoryError(
                f"{request.method} {target}: {answer.status_code}, 期望 expected {expect}\n{_reason(answer)}"
            )
        return answer

    async def get(self, path: str, says: str, expect: int = 200) -> Json:
        """A request without a token."""
        request = self._http.build_request("GET", f"{self.base}/{path}", headers={"accept": FHIR_JSON})
        return _body(await self.step(request, says, expect))

    async def client(self, who: str, credentials: Credentials, scope: str, token_url: str) -> "Player":
        """A client with a token of its own, got by a signed assertion."""
        client_id, keys = credentials
        assertion = client_assertion(client_id, keys.kid, keys.private_key, token_url, time.time())
        request = self._http.build_request("POST", token_url, data=token_request(assertion, scope))
        answer = await self.step(
            request, f"{who}: 以私钥签名的断言换取访问令牌 · a signed assertion for an access token"
        )
        return Player(self, self._http, who, answer.json()["access_token"])

    def chapter(self, chinese: str, english: str) -> None:
        self._tell(f"\n  {chinese} · {english}")

    def note(self, text: str) -> None:
        self._tell(f"{'':>6}{text}")

    def check(self, holds: object, text: str) -> None:
        """What an answer must hold; the story ends where it does not."""
        if not holds:
            raise StoryError(f"不符 · not as it should be: {text}")
        self.note(f"→ {text}")


class Player:
    """One client: its requests carry its token."""

    def __init__(self, stage: Stage, http: httpx.AsyncClient, who: str, token: str) -> None:
        self._stage = stage
        self._http = http
        self._who = who
        self._headers = {"authorization": f"Bearer {token}", "accept": FHIR_JSON}

    async def get(self, path: str, says: str, expect: int = 200) -> Json:
        return _body(await self._send("GET", path, says, expect))

    async def peek(self, path: str) -> Json:
        """A look that is no step of the story: it waits for something."""
        return _body(await self._http.get(f"{self._stage.base}/{path}", headers=self._headers))

    async def page(self, path: str, media: str, says: str) -> bytes:
        """What is no FHIR JSON, as it came."""
        return (await self._send("GET", path, says, 200, headers={"accept": media})).content

    async def post(self, path: str, resource: Json, says: str, expect: int = 201) -> Json:
        return _body(await self._send("POST", path, says, expect, resource))

    async def invoke(self, path: str, says: str, *parts: Json, expect: int = 200) -> Json:
        """An operation, with its parameters."""
        given: Json = {"resourceType": "Parameters"} | ({"parameter": list(parts)} if parts else {})
        return _body(await self._send("POST", path, says, expect, given))

    async def message(self, content: bytes, says: str) -> bytes:
        """HL7 v2, as an old system sends it; its acknowledgement."""
        url = f"{self._stage.base.removesuffix('/fhir')}/v2"
        headers = {**self._headers, "content-type": "application/hl7-v2"}
        request = self._http.build_request("POST", url, headers=headers, content=content)
        return (await self._stage.step(request, f"{self._who}: {says}")).content

    async def put(self, resource: Json, says: str, expect: int = 200, version: str | None = None) -> Json:
        """Update in the version that was read, or in the one that is named."""
        path = f"{resource['resourceType']}/{resource['id']}"
        etag = f'W/"{version or resource["meta"]["versionId"]}"'
        return _body(await self._send("PUT", path, says, expect, resource, {"if-match": etag}))

    async def transact(self, bundle: Json, says: str) -> list[str]:
        """Send a transaction; the relative URL of each entry's resource, in the order sent."""
        answer = await self.post("", bundle, says, expect=200)
        return [_relative(entry["response"].get("location", "")) for entry in answer["entry"]]

    async def _send(
        self,
        method: str,
        path: str,
        says: str,
        expect: int,
        resource: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        url = f"{self._stage.base}/{path}" if path else self._stage.base
        body = {"content-type": FHIR_JSON} if resource is not None else {}
        all_headers = {**self._headers, **body, **(headers or {})}
        request = self._http.build_request(method, url, headers=all_headers, json=resource)
        return await self._stage.step(request, f"{self._who}: {says}", expect)


def resources(bundle: Json) -> list[Json]:
    return [entry["resource"] for entry in bundle.get("entry", ())]


def first(references: Sequence[str], resource_type: str) -> str:
    """The first of these relative URLs that is of this type."""
    return next(one for one in references if one.startswith(f"{resource_type}/"))


def _body(answer: httpx.Response) -> Json:
    body: Any = answer.json() if answer.content else {}
    return dict(body)


def _relative(location: str) -> str:
    found = _LOCATION.search(location)
    return found[1] if found else location


def _reason(answer: httpx.Response) -> str:
    """The issues of an OperationOutcome, or the beginning of whatever came."""
    try:
        issues = answer.json()["issue"]
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]
    return "\n".join(
        f"      {issue.get('code')}: {issue.get('diagnostics')} {' '.join(issue.get('expression', ()))}"
        for issue in issues
    )
