"""What the gateway lets through, to whom, and how it says no: http://hl7.org/fhir/R4/http.html, RFC 6750, RFC 9110"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.authorize import ROUTES
from gateway.keys import KeyPair
from gateway.registry.revocations import MAX_AGE_SECONDS
from services.kit.peers import Peers
from tests.front import Front
from tests.listening import free_port, listening
from tests.matchers import assert_outcome
from tests.relay import Relay


async def _seen(front: Front, method: str, path: str, headers: dict[str, str], **request: Any) -> dict[str, Any]:
    answer = await front.http.request(method, path, headers=headers, **request)
    assert answer.status_code == 200, answer.text
    return front.mirror.seen[-1]


async def test_the_owner_gets_the_request_and_the_signed_caller(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys, "system/Patient.cruds system/Task.r")
    body = '{"resourceType":"Patient","name":[{"text":"龘"}]}'.encode()
    sent = {**headers, "If-Match": 'W/"3"', "Content-Type": "application/fhir+json", "X-Request-Id": "his-42"}
    seen = await _seen(front, "PUT", "/fhir/Patient/1?_pretty=a|b%7Cc'd%20龘", sent, content=body)
    assert (seen["method"], seen["target"]) == ("PUT", "/fhir/Patient/1?_pretty=a|b%7Cc%27d%20%E9%BE%98")
    assert (seen["body"], seen["headers"]["if-match"]) == (body.decode(), 'W/"3"')
    jti = seen["caller"].pop("jti")
    assert jti
    assert seen["caller"] == {
        "client": "clinic-his",
        "organization": "clinic",
        "practitioner": None,
        "scopes": ("system/Patient.cruds", "system/Task.r"),
        "purpose": "TREAT",
        "request_id": "his-42",
    }


@pytest.mark.parametrize(
    "query", [bytes(range(0x20, 0x7F)).replace(b"#", b""), b"n=%E9%BE%98+%2B'%27", "n=龘".encode(), b"a&&=", b""]
)
async def test_the_signature_holds_over_the_wire_whatever_the_query(front: Front, keys: KeyPair, query: bytes) -> None:
    await front.register(keys)
    headers = [(b"authorization", (await front.bearer(keys))["Authorization"].encode())]
    statuses = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async with listening(front.mirror, free_port()) as base, Peers({"records": base}) as peers:
        for app in (front.app, front.replica(peers)):
            scope = {
                "type": "http",
                "method": "GET",
                "path": "/fhir/Patient",
                "query_string": query,
                "headers": headers,
            }
            await app(scope | {"root_path": "", "http_version": "1.1", "server": None, "client": None}, None, send)  # type: ignore[arg-type]
    assert statuses == [200, None, 200, None]
    near, far = (seen["target"].encode() for seen in front.mirror.seen)
    assert near == far
    assert parse_qsl(near.decode().partition("?")[2]) == parse_qsl(query.decode())


async def test_nothing_internal_comes_in_or_goes_out(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    sent = {
        **await front.bearer(keys),
        "X-Yiyang-Caller": "forged",
        "X-YIYANG-Anything": "forged",
        "Cookie": "a=b",
        "Connection": "keep-alive, X-Nominated",
        "X-Nominated": "hop",
        "TE": "trailers",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "X-Request-Id": "two words",
    }
    answer = await front.http.get("/fhir/Patient/1", headers=sent)
    seen = front.mirror.seen[-1]["headers"]
    assert set(seen) <= {"accept", "accept-encoding", "user-agent", "x-yiyang-caller", "x-request-id"}
    assert seen["x-request-id"] == answer.headers["x-request-id"] != "two words"
    assert answer.headers["etag"] == 'W/"1"'
    assert "x-yiyang-trace" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/fhir/Patient/1", "Patient.r"),
        ("HEAD", "/fhir/Patient/1", "Patient.r"),
        ("GET", "/fhir/Patient/1/_history", "Patient.r"),
        ("GET", "/fhir/Patient/1/_history/2", "Patient.r"),
        ("GET", "/fhir/Patient", "Patient.s"),
        ("GET", "/fhir/Patient/", "Patient.s"),
        ("GET", "/fhir/Patient?name=a", "Patient.s"),
        ("POST", "/fhir/Patient/_search", "Patient.s"),
        ("GET", "/fhir/Patient/_history", "Patient.s"),
        ("POST", "/fhir/Patient", "Patient.c"),
        ("PUT", "/fhir/Patient/1", "Patient.u"),
        ("PUT", "/fhir/Patient?identifier=a", "Patient.u"),
        ("PATCH", "/fhir/Patient/1", "Patient.u"),
        ("DELETE", "/fhir/Patient/1", "Patient.d"),
        ("DELETE", "/fhir/Patient?identifier=a", "Patient.d"),
        ("GET", "/fhir/Patient/1/Observation", "Observation.s"),
        ("GET", "/fhir/Patient/1/$everything", "Patient.r"),
        ("GET", "/fhir/Patient/1/%24everything", "Patient.r"),
        ("POST", "/fhir/Patient/$register", "Patient.c"),
        ("POST", "/fhir/Patient/1/$meta-add", "Patient.u"),
        ("GET", "/fhir/Patient/1/*", "*.s"),
        ("GET", "/fhir/_history", "*.s"),
        ("GET", "/fhir?_type=Patient", "*.s"),
        ("POST", "/fhir/_search", "*.s"),
        ("GET", "/fhir/$meta", "*.r"),
    ],
)
async def test_an_interaction_needs_exactly_its_letter(
    front: Front, keys: KeyPair, method: str, path: str, scope: str
) -> None:
    await front.register(keys)
    type_name, _, letter = scope.partition(".")
    enough = await front.bearer(keys, f"system/{scope}")
    rest = "".join(other for other in "cruds" if other != letter)
    lacking = await front.bearer(keys, f"system/{type_name}.{rest} system/Binary.cruds")
    assert (await front.http.request(method, path, headers=enough)).status_code == 200
    refused = await front.http.request(method, path, headers=lacking)
    assert refused.status_code == 403
    assert f'error="insufficient_scope", scope="system/{scope}"' in refused.headers["www-authenticate"]
    if method != "HEAD":
        assert_outcome(refused, 403, "forbidden")


async def test_a_bundle_passes_with_any_scope_because_its_entries_are_checked_by_who_does_them(
    front: Front, keys: KeyPair
) -> None:
    await front.register(keys)
    seen = await _seen(front, "POST", "/fhir", await front.bearer(keys, "system/Task.r"), json={})
    assert seen["target"] == "/fhir"
    assert (await _seen(front, "POST", "/fhir/", await front.bearer(keys, "system/Task.r"), json={}))[
        "target"
    ] == "/fhir"


async def test_the_capability_statement_needs_no_token(front: Front) -> None:
    seen = await _seen(front, "GET", "/fhir/metadata?mode=full", {})
    assert (seen["target"], seen["caller"]["client"], seen["caller"]["scopes"]) == ("/fhir/metadata?mode=full", "", ())
    assert_outcome(await front.http.post("/fhir/metadata"), 401, "login")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Basic YTpi"},
    ],
)
async def test_without_a_token_there_is_nothing(front: Front, headers: dict[str, str]) -> None:
    answer = await front.http.get("/fhir/Patient/1", headers=headers)
    assert_outcome(answer, 401, "login")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="yiyang"')
    assert front.mirror.seen == []


async def test_two_tokens_are_none(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    token = (await front.bearer(keys))["Authorization"]
    answer = await front.http.get("/fhir/Patient/1", headers=[("Authorization", token), ("Authorization", token)])
    assert_outcome(answer, 401, "login")


async def test_a_token_in_the_url_is_refused(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    answer = await front.http.get(f"/fhir/Patient/1?access_token={headers['Authorization'][7:]}", headers=headers)
    assert_outcome(answer, 400, "security")
    assert headers["Authorization"][7:] not in answer.text


async def test_a_token_ends_when_it_says(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    front.clock.advance(298)
    assert (await front.http.get("/fhir/Patient/1", headers=headers)).status_code == 200
    front.clock.advance(2)
    answer = await front.http.get("/fhir/Patient/1", headers=headers)
    assert_outcome(answer, 401, "login")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("how", ["disabled", "disabled and enabled", "revoked"])
async def test_a_void_token_is_refused_by_every_replica_within_five_seconds(
    front: Front, keys: KeyPair, how: str
) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    replicas = [front.http, front.connect(front.replica())]
    for replica in replicas:
        assert (await replica.get("/fhir/Patient/1", headers=headers)).status_code == 200
    if how == "revoked":
        form = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": front.assertion(keys),
            "token": headers["Authorization"][7:],
        }
        assert (await front.http.post("/auth/revoke", data=form)).status_code == 200
    else:
        await front.clients.disable("clinic-his")
    if how == "disabled and enabled":
        await front.clients.enable("clinic-his")
    changed = time.monotonic()
    for replica in replicas:
        while (await replica.get("/fhir/Patient/1", headers=headers)).status_code == 200:
            await asyncio.sleep(0.1)
        assert_outcome(await replica.get("/fhir/Patient/1", headers=headers), 401, "login")
    assert time.monotonic() - changed < MAX_AGE_SECONDS


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fhir/Nothing", 404, "not-found"),
        ("/fhir/Nothing/1", 404, "not-found"),
        ("/fhir/patient/1", 404, "not-found"),
        ("/fhir/Patient/1/_history/2/more", 404, "not-found"),
        ("/fhir/Patient/_history/_history", 404, "not-found"),
        ("/fhir/*", 404, "not-found"),
        ("/fhir/Patient/a%20b", 400, "invalid"),
        ("/fhir/Patient/%2e%2e/x", 400, "invalid"),
        ("/fhir/Patient/a%00", 400, "invalid"),
        ("/fhir/Patient/%E9%BE%98", 400, "invalid"),
        ("/fhir/Patient/" + "x" * 300, 400, "invalid"),
    ],
)
async def test_a_path_that_leads_nowhere(front: Front, keys: KeyPair, path: str, status: int, code: str) -> None:
    await front.register(keys)
    assert_outcome(await front.http.get(path, headers=await front.bearer(keys)), status, code)
    assert front.mirror.seen == []


@pytest.mark.parametrize("path", ["/", "/nothing", "/internal/served", "/docs/x", "/fhirx"])
async def test_outside_of_fhir_too_a_failure_is_an_outcome(front: Front, path: str) -> None:
    assert_outcome(await front.http.get(path), 404, "not-found")


async def test_a_method_that_is_not_allowed_names_those_that_are(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    answer = await front.http.post("/fhir/Patient/1", headers=headers)
    assert_outcome(answer, 405, "not-supported")
    assert answer.headers["allow"] == "GET, PUT, PATCH, DELETE, HEAD"
    assert_outcome(await front.http.request("TRACE", "/fhir/Patient", headers=headers), 405, "not-supported")
    assert_outcome(await front.http.delete("/livez"), 405, "not-supported")


def test_every_route_is_one_that_the_specification_has() -> None:
    assert {method for methods in ROUTES.values() for method in methods} <= {"GET", "POST", "PUT", "PATCH", "DELETE"}


async def test_head_is_get_without_a_body(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    answer = await front.http.head("/fhir/Patient/1", headers=await front.bearer(keys))
    assert (answer.status_code, answer.content, front.mirror.seen[-1]["method"]) == (200, b"", "GET")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize(("path", "cap"), [("/fhir", 2000), ("/fhir/Patient", 1000), ("/fhir/Patient/_search", 1000)])
async def test_a_body_ends_at_its_cap_announced_or_streamed(
    clean_database: str, keys: KeyPair, path: str, cap: int
) -> None:
    async def streamed(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield b"x" * 100

    async with Front(clean_database, max_bundle_bytes=2000, max_body_bytes=1000) as front:
        await front.register(keys)
        headers = await front.bearer(keys)
        assert (await front.http.post(path, headers=headers, content=b"x" * cap)).status_code == 200
        assert (await front.http.post(path, headers=headers, content=streamed(cap))).status_code == 200
        assert len(front.mirror.seen) == 2
        assert_outcome(await front.http.post(path, headers=headers, content=b"x" * (cap + 1)), 413, "too-long")
        assert_outcome(await front.http.post(path, headers=headers, content=streamed(cap + 100)), 413, "too-long")
        announced = {**headers, "content-length": str(10**9)}
        assert_outcome(await front.http.post(path, headers=announced, content=b"x"), 413, "too-long")
        assert len(front.mirror.seen) == 2


async def test_a_compressed_body_is_not_taken(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = {**await front.bearer(keys), "Content-Encoding": "gzip"}
    assert_outcome(await front.http.post("/fhir/Patient", headers=headers, content=b"x"), 415, "not-supported")


async def test_a_service_that_fails_is_a_502_without_its_words(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    front.mirror.answer = (500, [(b"content-type", b"text/plain")], b"Traceback: secret")
    answer = await front.http.get("/fhir/Patient/1", headers=headers)
    assert_outcome(answer, 502, "exception")
    assert "secret" not in answer.text


async def test_an_outcome_of_a_service_goes_through_as_it_is(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    front.mirror.answer = (503, [(b"content-type", b"application/fhir+json"), (b"retry-after", b"7")], b"{}")
    answer = await front.http.get("/fhir/Patient/1", headers=headers)
    assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (503, b"{}", "7")
    front.mirror.answer = (204, [], b"")
    deleted = await front.http.delete("/fhir/Patient/1", headers=headers)
    assert (deleted.status_code, "content-length" in deleted.headers) == (204, False)


async def test_a_service_that_is_away_is_a_503_within_two_seconds(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    away = Peers({"records": "http://127.0.0.1:9", "care": front.mirror})
    http = front.connect(front.replica(away))
    for path in ("/fhir", "/fhir/Unheard/1"):
        started = time.monotonic()
        answer = await http.post(path, headers=headers) if path == "/fhir" else await http.get(path, headers=headers)
        assert_outcome(answer, 503, "transient")
        assert answer.headers["retry-after"] == "1"
        assert time.monotonic() - started < 2
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"database": True, "records": False, "care": True})


async def test_without_the_database_nobody_passes_and_all_is_well_when_it_is_back(
    clean_database: str, keys: KeyPair
) -> None:
    async with Relay(clean_database) as relay, Front(relay.url) as front:
        await front.register(keys)
        headers = await front.bearer(keys)
        assert (await front.http.get("/readyz")).status_code == 200
        fresh = front.connect(front.replica())
        await relay.cut()
        started = time.monotonic()
        assert_outcome(await fresh.get("/fhir/Patient/1", headers=headers), 503, "transient")
        assert (await fresh.get("/readyz")).json() == {"database": False, "records": True}
        assert time.monotonic() - started < 2
        assert (await fresh.get("/livez")).status_code == 200
        assert_outcome(await fresh.get("/auth/jwks"), 503, "transient")
        await relay.mend()
        assert (await fresh.get("/fhir/Patient/1", headers=headers)).status_code == 200
        assert (await fresh.get("/readyz")).json() == {"database": True, "records": True}


async def test_a_defect_is_a_500_that_tells_nothing(
    front: Front, keys: KeyPair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)

    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("gateway.doors.authorize", broken)
    with caplog.at_level("INFO", "yiyang"):
        answer = await front.http.get("/fhir/Patient/1", headers=headers)
    assert_outcome(answer, 500, "exception")
    assert "secret" not in answer.text
    told = [record for record in caplog.records if record.name == "yiyang" and record.levelname == "ERROR"]
    assert [record.msg for record in told] == ["request.failed"]
    assert "secret" not in json.dumps([record.fields for record in told])  # type: ignore[attr-defined]
