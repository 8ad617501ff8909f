"""What the gateway decides is on disk before it is answered: refusals, logins, tokens; or nothing is answered at all."""

import time

import pytest

from gateway.keys import KeyPair
from tests.front import Front
from tests.matchers import assert_outcome
from tests.people import Portal, bearer
from tests.relay import Relay

COLUMNS = ("interaction", "status", "client", "organization", "practitioner", "purpose", "type", "query")


async def _refusals(front: Front) -> list[tuple[object, ...]]:
    async with front.database.connection() as connection:
        rows = await connection.fetch(
            f"SELECT {', '.join(COLUMNS)}, request, jti FROM fhir.audit WHERE interaction <> 'token'"
        )
    return [tuple(row) for row in rows]


async def test_a_request_without_a_token_is_remembered(front: Front) -> None:
    await front.http.get("/fhir/Patient/1", headers={"X-Request-Id": "his-7"})
    assert await _refusals(front) == [("authenticate", 401, "", "", None, "", None, None, "his-7", "")]


async def test_a_token_in_the_url_is_remembered_without_it(front: Front) -> None:
    await front.http.get("/fhir/Patient/1?access_token=secret", headers={"X-Request-Id": "his-7"})
    assert await _refusals(front) == [("authenticate", 400, "", "", None, "", None, None, "his-7", "")]


@pytest.mark.parametrize(
    ("method", "path", "code", "resource_type"),
    [
        ("GET", "/fhir/Observation/1", "read", "Observation"),
        ("GET", "/fhir/Observation?subject=Patient/1", "search-type", "Observation"),
        ("POST", "/fhir/Observation", "create", "Observation"),
        ("PUT", "/fhir/Observation/1", "update", "Observation"),
        ("PATCH", "/fhir/Observation/1", "patch", "Observation"),
        ("DELETE", "/fhir/Observation/1", "delete", "Observation"),
        ("GET", "/fhir/Observation/1/_history", "history-instance", "Observation"),
        ("GET", "/fhir/Observation/1/_history/1", "vread", "Observation"),
        ("GET", "/fhir/Observation/1/$everything", "everything", "Observation"),
        ("GET", "/fhir/_history", "history-system", None),
        ("GET", "/fhir?_type=Patient", "search-system", None),
    ],
)
async def test_what_the_scopes_do_not_hold_is_remembered_with_who_asked(
    front: Front, keys: KeyPair, method: str, path: str, code: str, resource_type: str | None
) -> None:
    await front.register(keys)
    headers = await front.bearer(keys, "system/Patient.r")
    assert (await front.http.request(method, path, headers=headers)).status_code == 403
    [row] = await _refusals(front)
    assert row[:8] == (code, 403, "clinic-his", "clinic", None, "TREAT", resource_type, None)
    assert row[9]


async def test_what_goes_through_is_left_to_who_carries_it_out(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    assert (await front.http.get("/fhir/Patient/1", headers=headers)).status_code == 200
    assert (await front.http.get("/fhir/Nothing/1", headers=headers)).status_code == 404
    assert await _refusals(front) == []


async def test_every_act_at_the_token_endpoint_is_remembered(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    assert (await front.ask_token(keys)).status_code == 200
    assert (await front.ask_token(keys, "system/Nothing.read")).status_code == 400
    assert (await front.ask_token(keys, client_assertion="a.b.c")).status_code == 401
    portal = Portal(front)
    assert await portal.remembered(*COLUMNS[:4], "query") == [
        ("token", 200, "clinic-his", "clinic", "client_credentials"),
        ("token", 400, "clinic-his", "clinic", "invalid_scope"),
        ("token", 401, "", "", "invalid_client"),
    ]
    rows = await portal.remembered("jti", "request")
    assert rows[0][0]
    assert all(request for _, request in rows)


async def test_a_persons_way_is_remembered_from_the_wrong_password_to_the_token(portal: Portal) -> None:
    await portal.add()
    page = await portal.open()
    await portal.submit(page, password="wrong")
    await portal.submit(page, name="nobody")
    tokens = await portal.tokens()
    await portal.open()
    await portal.browser.get("/fhir/Account/1", headers=bearer(tokens))
    assert await portal.remembered("interaction", "status", "client", "organization", "practitioner") == [
        ("login", 401, "portal", "hospital", "Practitioner/7"),
        ("login", 401, "portal", "", None),
        ("login", 200, "portal", "hospital", "Practitioner/7"),
        ("token", 200, "portal", "hospital", "Practitioner/7"),
        ("authorize", 200, "portal", "hospital", "Practitioner/7"),
        ("read", 403, "portal", "hospital", "Practitioner/7"),
    ]


async def test_no_row_holds_a_secret(portal: Portal) -> None:
    await portal.add()
    code = await portal.log_in()
    tokens = (await portal.exchange(code)).json()
    await portal.exchange(code)
    rows = str(await portal.remembered("*"))
    for secret in (code, tokens["access_token"], tokens["refresh_token"], "doctor.wang"):
        assert secret not in rows


@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_refusal_that_cannot_be_remembered_is_a_503(
    clean_database: str, keys: KeyPair, *, is_silent: bool
) -> None:
    async with Relay(clean_database) as relay, Front(relay.url) as front:
        await front.register(keys)
        headers = await front.bearer(keys, "system/Patient.r")
        assert (await front.http.get("/fhir/Patient/1", headers=headers)).status_code == 200
        relay.hold() if is_silent else await relay.cut()
        for path in ("/fhir/Observation/1", "/fhir/Patient/1?access_token=x"):
            started = time.monotonic()
            assert_outcome(await front.http.get(path, headers=headers), 503, "transient")
            assert time.monotonic() - started < 2
        relay.release()
