"""Clients by the admin API: an administrator sees and changes those of the own organization, an operator all."""

from typing import Any

import httpx
import pytest

from gateway.keys import KeyPair
from tests.front import Front
from tests.matchers import assert_outcome
from tests.people import Portal, bearer, sent
from tests.relay import Relay

NEW = {"client_id": "new-his", "scopes": "system/*.rs"}


async def _operator(front: Front, keys: KeyPair, scopes: str = "admin/platform admin/organization") -> dict[str, str]:
    await front.clients.add("ops", "platform", f"{scopes} system/*.rs", keys.jwks)
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": front.assertion(keys, "ops"),
        "scope": scopes,
    }
    answer = await front.http.post("/auth/token", data=form)
    assert answer.json()["scope"] == scopes, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def _post(front: Front, headers: dict[str, str], keys: KeyPair, **changes: Any) -> httpx.Response:
    return await front.http.post("/admin/clients", headers=headers, json={**NEW, "jwks": keys.jwks, **changes})


async def test_a_client_lives_from_its_registration_to_its_end(front: Front, keys: KeyPair) -> None:
    headers = await _operator(front, keys)
    added = await _post(front, headers, keys, organization="clinic", purposes=["TREAT", "ETREAT"], rate=9)
    assert (added.status_code, added.json()["active"], added.json()["rate"]) == (201, True, 9)
    assert [one["client_id"] for one in (await front.http.get("/admin/clients", headers=headers)).json()] == [
        "new-his",
        "ops",
    ]
    for act, active in (("disable", False), ("enable", True)):
        answer = await front.http.post(f"/admin/clients/new-his/{act}", headers=headers)
        assert (answer.status_code, answer.json()["active"]) == (200, active)
    assert (await front.http.get("/admin/clients/new-his", headers=headers)).json()["organization"] == "clinic"
    rows = await Portal(front).remembered("interaction", "status", "client", "query")
    assert [row for row in rows if row[0].startswith("client-")] == [
        ("client-add", 201, "ops", "new-his"),
        ("client-list", 200, "ops", None),
        ("client-disable", 200, "ops", "new-his"),
        ("client-enable", 200, "ops", "new-his"),
        ("client-get", 200, "ops", "new-his"),
    ]


async def test_an_administrator_rules_the_own_organization_only(portal: Portal, keys: KeyPair) -> None:
    front = portal.front
    await front.register(keys)
    await portal.register("openid admin/organization user/*.cruds", "admin", purposes=("HOPERAT",))
    secret = await portal.give_totp(await portal.add(roles=("institution-admin",)))
    page = await portal.open(client_id="admin", scope="admin/organization user/*.rs")
    code = sent(await portal.submit(page, code=portal.code_of(secret)))["code"]
    headers = bearer((await portal.exchange(code, client_id="admin")).json())
    assert (await front.http.get("/admin/clients", headers=headers)).json() == []
    for path in ("clinic-his", "clinic-his/disable", "nobody"):
        method = "POST" if path.endswith("disable") else "GET"
        assert_outcome(await front.http.request(method, f"/admin/clients/{path}", headers=headers), 404, "not-found")
    assert_outcome(await _post(front, headers, keys, organization="clinic"), 403, "forbidden")
    assert_outcome(await _post(front, headers, keys, scopes="admin/platform system/*.rs"), 403, "forbidden")
    added = await _post(front, headers, keys)
    assert (added.status_code, added.json()["organization"]) == (201, "hospital")
    assert ("client-add", "Practitioner/7") in await portal.remembered("interaction", "practitioner")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_without_the_right_there_is_no_administration(front: Front, keys: KeyPair, method: str) -> None:
    assert_outcome(await front.http.request(method, "/admin/clients"), 401, "login")
    await front.register(keys)
    answer = await front.http.request(method, "/admin/clients", headers=await front.bearer(keys))
    assert_outcome(answer, 403, "forbidden")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("role", ["physician", "nurse", "consortium-admin", "auditor"])
async def test_no_other_role_administers_clients(portal: Portal, role: str) -> None:
    await portal.register("openid admin/organization user/*.cruds", "admin", purposes=("TREAT", "HOPERAT", "HCOMPL"))
    secret = await portal.give_totp(await portal.add(roles=(role,)))
    page = await portal.open(client_id="admin", scope="openid admin/organization user/Organization.rs")
    code = sent(await portal.submit(page, code=portal.code_of(secret)))["code"]
    tokens = (await portal.exchange(code, client_id="admin")).json()
    assert "admin/organization" not in tokens["scope"].split()
    assert_outcome(await portal.browser.get("/admin/clients", headers=bearer(tokens)), 403, "forbidden")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b'{"client_id": "a"}', 400, "invalid"),
        (b'{"client_id": "a", "scopes": 1}', 400, "invalid"),
        (b'{"client_id": "a", "scopes": "system/*.rs", "is_disabled": true}', 400, "invalid"),
        (b'{"client_id": "a b", "scopes": "system/*.rs", "jwks_uri": "https://a.example/"}', 422, "processing"),
        (b'{"client_id": "a", "scopes": "system/*.read", "jwks_uri": "https://a.example/"}', 422, "processing"),
        (b'{"client_id": "a", "scopes": "system/*.rs"}', 422, "processing"),
        (b'{"client_id": "ops", "scopes": "system/*.rs", "jwks_uri": "https://a.example/"}', 422, "processing"),
        (b"x" * 200_001, 413, "too-long"),
    ],
)
async def test_what_is_no_client_is_refused_with_what_to_mend(
    front: Front, keys: KeyPair, body: bytes, status: int, code: str
) -> None:
    headers = await _operator(front, keys)
    assert_outcome(await front.http.post("/admin/clients", headers=headers, content=body), status, code)
    assert [client.client_id for client in await front.clients.list()] == ["ops"]


async def test_without_the_store_nothing_is_administered(clean_database: str, keys: KeyPair) -> None:
    async with Relay(clean_database) as relay, Front(relay.url) as front:
        headers = await _operator(front, keys)
        await front.http.get("/admin/clients", headers=headers)
        await relay.cut()
        assert_outcome(await front.http.get("/admin/clients", headers=headers), 503, "transient")
