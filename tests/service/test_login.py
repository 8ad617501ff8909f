"""People log in at an app: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html, OpenID Connect Core, RFC 7636, RFC 9207"""

import asyncio
import base64
import time
from urllib.parse import urlsplit

import msgspec
import pytest

from gateway.jws import open_compact
from gateway.keys import KeyPair
from gateway.registry.revocations import MAX_AGE_SECONDS
from tests.front import BASE, ORIGIN, Front
from tests.matchers import assert_outcome
from tests.people import PASSWORD, REDIRECT, Portal, bearer, sent
from tests.relay import Relay

NURSE = "nurse.li"


async def test_a_person_goes_back_to_the_app_with_a_code_that_gives_tokens(portal: Portal) -> None:
    account = await portal.add()
    page = await portal.open()
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    answer = await portal.submit(page)
    assert answer.headers["location"].startswith(REDIRECT + "?")
    back = sent(answer)
    assert (back["state"], back["iss"]) == ("state-1", ORIGIN)
    tokens = (await portal.exchange(back["code"])).json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 300)
    claims = open_compact(tokens["access_token"]).claims
    assert (claims["sub"], claims["practitioner"], claims["organization"]) == (account.id, "Practitioner/7", "hospital")
    assert {"openid", "fhirUser", "online_access", "user/Observation.crus"} <= set(tokens["scope"].split())


async def test_the_id_token_says_who_the_person_is_and_verifies_with_the_published_keys(portal: Portal) -> None:
    account = await portal.add()
    token = open_compact((await portal.tokens())["id_token"])
    now = int(portal.front.clock.seconds())
    assert token.claims == {
        "iss": ORIGIN,
        "sub": account.id,
        "aud": "portal",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "amr": ["pwd"],
        "nonce": "nonce-1",
        "fhirUser": f"{BASE}/Practitioner/7",
    }
    published = (await portal.browser.get("/auth/jwks")).json()["keys"]
    assert token.header["kid"] in {key["kid"] for key in published}
    assert (token.header["alg"], [key for key in published if "alg" in key]) == ("RS256", [])


async def test_the_person_reaches_the_services_as_the_caller(portal: Portal) -> None:
    await portal.add()
    headers = bearer(await portal.tokens())
    assert (await portal.browser.get("/fhir/Patient/1", headers=headers)).status_code == 200
    caller = portal.front.mirror.seen[-1]["caller"]
    assert (caller["client"], caller["organization"], caller["practitioner"]) == (
        "portal",
        "hospital",
        "Practitioner/7",
    )
    assert all(scope.startswith("user/") for scope in caller["scopes"])
    assert "cookie" not in portal.front.mirror.seen[-1]["headers"]


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("physician", "user/MedicationRequest.crus", "user/Account.r"),
        ("nurse", "user/MedicationAdministration.crus", "user/MedicationRequest.crus"),
        ("caregiver", "user/CarePlan.rs", "user/Condition.rs"),
        ("pharmacist", "user/MedicationDispense.crus", "user/Encounter.rs"),
        ("referral-coordinator", "user/ServiceRequest.crus", "user/Observation.crus"),
    ],
)
async def test_the_scopes_are_those_of_the_role(portal: Portal, role: str, may: str, may_not: str) -> None:
    await portal.add(roles=(role,))
    scopes = (await portal.tokens())["scope"].split()
    assert may in scopes
    assert not [
        scope
        for scope in scopes
        if scope.startswith(may_not.rstrip("crus")) and set(may_not.rpartition(".")[2]) <= set(scope.rpartition(".")[2])
    ]


async def test_what_the_role_does_not_hold_is_a_403_in_the_words_of_people(portal: Portal) -> None:
    await portal.add(roles=("caregiver",))
    answer = await portal.browser.get("/fhir/Observation?code=1", headers=bearer(await portal.tokens()))
    assert_outcome(answer, 403, "forbidden")
    assert 'scope="user/Observation.s"' in answer.headers["www-authenticate"]


async def test_who_is_logged_in_goes_back_at_once(portal: Portal) -> None:
    await portal.add()
    await portal.log_in()
    again = await portal.open()
    assert (again.status_code, sent(again)["state"]) == (303, "state-1")
    assert (await portal.exchange(sent(again)["code"])).status_code == 200
    assert (await portal.open(prompt="login")).status_code == 200
    portal.front.clock.advance(1801)
    assert (await portal.open()).status_code == 200


async def test_a_login_ends_by_itself_after_its_time(portal: Portal) -> None:
    await portal.add()
    await portal.log_in()
    for _ in range(16):
        portal.front.clock.advance(1790)
        answer = await portal.open()
        assert answer.status_code == 303
    portal.front.clock.advance(1790)
    assert (await portal.open()).status_code == 200


async def test_without_a_login_and_without_a_page_the_app_is_told(portal: Portal) -> None:
    assert sent(await portal.open(prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"state": "x" * 1001}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://evil.example/fhir"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"scope": "admin/platform"}, "invalid_scope"),
        ({"prompt": "consent"}, "invalid_request"),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"request_uri": "https://evil.example"}, "request_uri_not_supported"),
    ],
)
async def test_a_request_in_another_form_goes_back_with_its_error(
    portal: Portal, changes: dict[str, str | None], error: str
) -> None:
    answer = await portal.open(**changes)
    assert (answer.status_code, sent(answer)["error"], sent(answer)["iss"]) == (303, error, ORIGIN)
    assert answer.headers["location"].startswith(REDIRECT + "?")


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/back"},
        {"redirect_uri": REDIRECT + "/"},
        {"redirect_uri": REDIRECT + "?a=b"},
        {"redirect_uri": REDIRECT.upper()},
        {"redirect_uri": "https://portal.example.org/other/../back"},
        {"redirect_uri": None},
        {"client_id": "nobody"},
        {"client_id": None},
    ],
)
async def test_nobody_is_sent_where_nobody_registered(portal: Portal, changes: dict[str, str | None]) -> None:
    answer = await portal.open(**changes)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert "evil.example" not in answer.text


async def test_a_parameter_given_twice_is_refused(portal: Portal) -> None:
    answer = await portal.browser.get(f"/auth/authorize?{portal.query()}&state=2")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "wrong horse battery"},
        {"name": "nobody"},
        {"name": ""},
        {"name": "' OR 1=1 --"},
        {"password": "x" * 10_000},
    ],
)
async def test_a_wrong_name_and_a_wrong_password_look_the_same(portal: Portal, fields: dict[str, str]) -> None:
    await portal.add()
    answer = await portal.submit(await portal.open(), **fields)
    assert answer.status_code == 401
    assert "用户名、密码或验证码有误" in answer.text
    assert "set-cookie" not in answer.headers
    assert fields.get("password", PASSWORD) not in answer.text


async def test_a_disabled_person_does_not_get_in_and_gets_out(portal: Portal) -> None:
    account = await portal.add()
    tokens = await portal.tokens()
    await portal.accounts.disable(account.id)
    assert (await portal.open()).status_code == 200
    assert (await portal.submit(await portal.open())).status_code == 401
    assert (await portal.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    started = time.monotonic()
    while (await portal.browser.get("/fhir/Patient/1", headers=bearer(tokens))).status_code == 200:
        await asyncio.sleep(0.1)
    assert time.monotonic() - started < MAX_AGE_SECONDS
    assert_outcome(await portal.browser.get("/fhir/Patient/1", headers=bearer(tokens)), 401, "login")


@pytest.mark.parametrize("is_known", [True, False])
async def test_after_five_failures_the_name_is_locked_each_time_twice_as_long(
    portal: Portal, *, is_known: bool
) -> None:
    if is_known:
        await portal.add()
    page = await portal.open()
    for _ in range(5):
        assert (await portal.submit(page, password="wrong")).status_code == 401
    locked = await portal.submit(page)
    assert (locked.status_code, "尝试次数过多" in locked.text) == (429, True)
    assert 25 <= int(locked.headers["retry-after"]) <= 31
    portal.front.clock.advance(31)
    assert (await portal.submit(page, password="wrong")).status_code == 401
    assert int((await portal.submit(page)).headers["retry-after"]) > 31
    portal.front.clock.advance(61)
    assert (await portal.submit(page)).status_code == (303 if is_known else 401)


async def test_guesses_sent_at_once_do_not_pass_the_lock(portal: Portal) -> None:
    await portal.add()
    page = await portal.open()
    answers = await asyncio.gather(*(portal.submit(page, password=f"wrong {n}") for n in range(9)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 4


async def test_a_form_from_elsewhere_is_refused(portal: Portal) -> None:
    await portal.add()
    page = await portal.open()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        portal.browser.headers.update(headers)
        assert (await portal.submit(page)).status_code == 400
        for name in headers:
            del portal.browser.headers[name]
    assert (await portal.submit(page, form_token="0" * 64)).status_code == 400
    stranger = Portal(portal.front)
    stranger.browser = portal.front.connect(portal.front.app)
    assert (await stranger.submit(page)).status_code == 400
    assert (await portal.submit(page)).status_code == 303


async def test_the_page_is_safe_to_show(portal: Portal) -> None:
    page = await portal.open(state='"><script>alert(1)</script>')
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://portal.example.org;" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    typed = await portal.submit(page, name='"><script>', password="wrong")
    assert "<script" not in typed.text


async def test_the_cookies_are_the_servers_alone(portal: Portal, clean_database: str) -> None:
    await portal.add()
    answer = await portal.submit(await portal.open())
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("yiyang-login=")
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    async with Front(clean_database, public_base="https://fhir.example.org/fhir") as front:
        page = await front.http.get(f"/auth/authorize?{portal.query(aud='https://fhir.example.org/fhir')}")
        cookie = page.headers["set-cookie"]
        assert cookie.startswith("__Host-yiyang-form=")
        assert "Secure" in cookie
        assert page.headers["strict-transport-security"].startswith("max-age=")


async def test_logging_out_ends_the_login_and_its_tokens(portal: Portal) -> None:
    await portal.add()
    tokens = await portal.tokens()
    page = await portal.browser.get("/auth/logout")
    form_token = page.text.partition('name="form_token" value="')[2].partition('"')[0]
    assert (await portal.browser.post("/auth/logout", data={"form_token": "0" * 64})).status_code == 400
    assert (await portal.browser.post("/auth/logout", data={"form_token": form_token})).status_code == 200
    assert (await portal.open()).status_code == 200
    assert (await portal.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    started = time.monotonic()
    while (await portal.browser.get("/fhir/Patient/1", headers=bearer(tokens))).status_code == 200:
        await asyncio.sleep(0.1)
    assert time.monotonic() - started < MAX_AGE_SECONDS


async def test_without_the_store_nobody_gets_in(clean_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Relay(clean_database) as relay, Front(relay.url) as front:
        portal = Portal(front)
        await portal.register()
        await portal.add()
        page = await portal.open()
        await relay.cut()
        started = time.monotonic()
        assert (await portal.submit(page)).status_code == 503
        assert (await portal.exchange("code")).json() == {"error": "temporarily_unavailable"}
        assert time.monotonic() - started < 4
        await relay.mend()
        assert (await portal.submit(page)).status_code == 303


async def test_an_id_token_and_a_refresh_token_open_nothing(portal: Portal, keys: KeyPair) -> None:
    await portal.add()
    tokens = await portal.tokens()
    for name in ("id_token", "refresh_token"):
        headers = {"Authorization": f"Bearer {tokens[name]}"}
        assert_outcome(await portal.browser.get("/fhir/Patient/1", headers=headers), 401, "login")
    forged = tokens["access_token"].split(".")
    claims = msgspec.json.decode(base64.urlsafe_b64decode(forged[1] + "=="))
    claims["practitioner"] = "Practitioner/8"
    forged[1] = base64.urlsafe_b64encode(msgspec.json.encode(claims)).rstrip(b"=").decode()
    answer = await portal.browser.get("/fhir/Patient/1", headers={"Authorization": f"Bearer {'.'.join(forged)}"})
    assert_outcome(answer, 401, "login")


async def test_the_configuration_tells_apps_where_to_go(portal: Portal) -> None:
    document = (await portal.browser.get("/.well-known/openid-configuration")).json()
    assert document["authorization_endpoint"] == f"{ORIGIN}/auth/authorize"
    assert document["authorization_response_iss_parameter_supported"] is True
    assert {"sso-openid-connect", "client-public", "permission-user"} <= set(document["capabilities"])
    answer = await portal.browser.get(urlsplit(document["authorization_endpoint"]).path)
    assert answer.status_code == 400
