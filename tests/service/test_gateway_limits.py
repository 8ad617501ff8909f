"""How much anybody may ask for, why, and what browsers are told: RFC 6585, v3-PurposeOfUse, CORS."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.keys import KeyPair
from gateway.registry import Options
from gateway.registry.client import RegistrationError
from tests.front import Front
from tests.matchers import assert_outcome
from tests.people import Portal, bearer

PORTAL = "https://portal.example.org"


async def _statuses(http: list[httpx.AsyncClient], headers: dict[str, str], count: int) -> list[int]:
    paths = (http[number % len(http)].get("/fhir/Patient/1", headers=headers) for number in range(count))
    return [answer.status_code for answer in await asyncio.gather(*paths)]


async def test_a_client_shares_its_rate_between_replicas(clean_database: str, keys: KeyPair) -> None:
    async with Front(clean_database, rate_per_second=20) as front:
        await front.register(keys)
        headers = await front.bearer(keys)
        replicas = [front.connect(front.replica()) for _ in range(3)]
        statuses = await _statuses(replicas, headers, 80)
        assert 19 <= statuses.count(200) <= 60, statuses  # what three seconds give, should the machine be that slow
        assert statuses.count(429) == 80 - statuses.count(200)
        await asyncio.sleep(1.1)
        assert (await _statuses(replicas, headers, 3)) == [200, 200, 200]


async def test_too_many_is_an_outcome_that_tells_when(clean_database: str, keys: KeyPair) -> None:
    async with Front(clean_database, rate_per_second=2) as front:
        await front.register(keys)
        headers = await front.bearer(keys)
        answers = [await front.http.get("/fhir/Patient/1", headers=headers) for _ in range(4)]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert_outcome(refused, 429, "throttled")
        assert refused.headers["retry-after"] == "1"
        rows = await Portal(front).remembered("status", "client")
        assert (429, "clinic-his") in rows


async def test_a_client_with_a_rate_of_its_own_has_that_one(front: Front, keys: KeyPair) -> None:
    await front.clients.add("clinic-his", "clinic", "system/*.cruds", keys.jwks, Options(rate=4))
    headers = await front.bearer(keys)
    statuses = await _statuses([front.http], headers, 12)
    assert statuses.count(200) >= 3, statuses
    assert 429 in statuses, statuses  # a new second may begin between any two requests
    asked = [(await front.ask_token(keys)).json() for _ in range(12)]
    assert "temporarily_unavailable" in {answer.get("error") for answer in asked}


async def test_one_person_does_not_use_up_the_rate_of_another(clean_database: str, portal: Portal) -> None:
    async with Front(clean_database, person_rate_per_second=4) as front:
        await portal.add()
        await portal.add("nurse.li", ("nurse",))
        doctor = bearer(await portal.tokens())
        other = Portal(portal.front)
        other.browser = portal.front.connect(portal.front.app)
        nurse = bearer(await other.tokens(name="nurse.li"))
        assert 429 in await _statuses([front.http], doctor, 12)
        assert await _statuses([front.http], nurse, 3) == [200, 200, 200]


async def test_logins_of_all_people_together_are_limited(clean_database: str, portal: Portal) -> None:
    async with Front(clean_database, login_rate_per_second=2) as front:
        limited = Portal(front)
        page = await limited.open()
        answers = [await limited.submit(page, name=f"name.{number}") for number in range(4)]
        assert {answer.status_code for answer in answers} == {401, 429}


async def test_a_stated_purpose_reaches_the_service(front: Front, keys: KeyPair) -> None:
    await front.clients.add("clinic-his", "clinic", "system/*.cruds", keys.jwks, Options(purposes=("TREAT", "ETREAT")))
    headers = await front.bearer(keys)
    for stated, purpose in ((None, "TREAT"), ("ETREAT", "ETREAT"), ("TREAT", "TREAT")):
        sent = headers if stated is None else {**headers, "X-Purpose": stated}
        assert (await front.http.get("/fhir/Patient/1", headers=sent)).status_code == 200
        assert front.mirror.seen[-1]["caller"]["purpose"] == purpose
        assert "x-purpose" not in front.mirror.seen[-1]["headers"]


@pytest.mark.parametrize(
    ("stated", "status", "code"),
    [("BTG", 403, "forbidden"), ("HRESCH", 403, "forbidden"), ("treat", 400, "invalid"), ("龘", 400, "invalid")],
)
async def test_a_purpose_that_the_client_may_not_state_is_refused(
    front: Front, keys: KeyPair, stated: str, status: int, code: str
) -> None:
    await front.register(keys)
    headers = [(name.encode(), value.encode()) for name, value in (await front.bearer(keys)).items()]
    answer = await front.http.get("/fhir/Patient/1", headers=[*headers, (b"X-Purpose", stated.encode())])
    assert_outcome(answer, status, code)
    assert front.mirror.seen == []


async def test_two_purposes_are_none(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    headers = list((await front.bearer(keys)).items())
    answer = await front.http.get("/fhir/Patient/1", headers=[*headers, ("X-Purpose", "TREAT"), ("X-Purpose", "TREAT")])
    assert_outcome(answer, 400, "invalid")


@pytest.mark.parametrize(
    "path", ["/fhir/Patient/1", "/fhir/metadata", "/auth/token", "/auth/jwks", "/livez", "/nothing", "/auth/authorize"]
)
async def test_every_answer_tells_browsers_to_be_careful(front: Front, path: str) -> None:
    headers = (await front.http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == ("same-origin" if path == "/auth/authorize" else "no-referrer")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers
    assert headers["cache-control"] == ("public, max-age=300" if path == "/auth/jwks" else "no-store")


async def test_other_origins_get_nothing_by_default(front: Front) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await front.http.request(method, "/fhir/metadata", headers={"Origin": PORTAL})
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_an_origin_that_is_named_may_ask_and_no_other(clean_database: str) -> None:
    async with Front(clean_database, cors_origins=(PORTAL,)) as front:
        preflight = await front.http.options("/fhir/Patient/1", headers={"Origin": PORTAL})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, PORTAL)
        assert "X-Purpose" in preflight.headers["access-control-allow-headers"]
        assert preflight.headers["vary"] == "Origin"
        answer = await front.http.get("/fhir/metadata", headers={"Origin": PORTAL})
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        for path, origin in (("/fhir/metadata", "https://evil.example"), ("/auth/authorize", PORTAL)):
            answer = await front.http.get(path, headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "https://*.example.org", "https://a.example/", "a.example", "null"])
def test_an_origin_that_would_open_more_than_meant_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="an origin is"):
        Front("postgresql://h/d", cors_origins=(origin,))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"redirect_uris": ("http://portal.example.org/",)}, "a redirect URI is"),
        ({"redirect_uris": ("https://portal.example.org/#a",)}, "a redirect URI is"),
        ({"redirect_uris": ("https://user@portal.example.org/",)}, "a redirect URI is"),
        ({"redirect_uris": ("javascript:alert(1)",)}, "a redirect URI is"),
        ({"redirect_uris": ("https://a.example;script-src/",)}, "a redirect URI is"),
        ({"redirect_uris": ("https://*.example.org/",)}, "a redirect URI is"),
        ({"redirect_uris": ("myapp:/back",)}, "a redirect URI is"),
        ({"redirect_uris": tuple(f"https://a.example/{n}" for n in range(11))}, "more than 10"),
        ({"redirect_uris": (PORTAL,), "purposes": ("TREATMENT",)}, "not a code of v3-PurposeOfUse"),
        ({"redirect_uris": (PORTAL,), "purposes": ()}, "at least one purpose"),
        ({"redirect_uris": (PORTAL,), "rate": 0}, "1 request a second"),
        ({}, "register its key set"),
        ({"jwks_uri": "http://a.example/keys"}, "must be https"),
    ],
)
async def test_an_app_that_would_not_be_safe_is_refused(front: Front, options: dict[str, Any], words: str) -> None:
    scopes = "user/*.rs" if options.get("redirect_uris") else "system/*.rs"
    with pytest.raises((RegistrationError, ValueError), match=words):
        await front.clients.add("app", "clinic", scopes, None, Options(**options))


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8765/back", "http://[::1]/back", "com.example.app:/back"])
async def test_an_app_on_the_persons_own_machine_may_be_sent_back_to(front: Front, uri: str) -> None:
    client = await front.clients.add("app", "clinic", "user/*.rs", None, Options(redirect_uris=(uri,)))
    assert client.redirect_uris == (uri,)
