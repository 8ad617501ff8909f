"""What a login gives: codes and refresh tokens that are worth one token each, and what a second use means (RFC 9700)."""

import asyncio
import time

import pytest

from gateway.keys import KeyPair
from gateway.registry import Options
from gateway.registry.revocations import MAX_AGE_SECONDS
from tests.people import REDIRECT, SCOPE, Portal, bearer, sent


async def _void_within_five_seconds(portal: Portal, headers: dict[str, str]) -> bool:
    started = time.monotonic()
    while (await portal.browser.get("/fhir/Patient/1", headers=headers)).status_code == 200:
        await asyncio.sleep(0.1)
    return time.monotonic() - started < MAX_AGE_SECONDS


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"code_verifier": "v" * 42}, "invalid_grant"),
        ({"code_verifier": "v" * 129}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code": "another"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"client_id": "another"}, "invalid_grant"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
    ],
)
async def test_a_code_is_bound_to_its_client_its_challenge_and_its_redirect_uri(
    portal: Portal, changes: dict[str, str], error: str
) -> None:
    await portal.add()
    await portal.register(name="another")
    answer = await portal.exchange(**{"code": await portal.log_in(), **changes})
    assert (answer.status_code, answer.json()["error"]) == (401 if error == "invalid_client" else 400, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_code_lives_a_minute(portal: Portal) -> None:
    await portal.add()
    code = await portal.log_in()
    portal.front.clock.advance(61)
    assert (await portal.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_code_used_twice_voids_all_that_followed_from_it(portal: Portal) -> None:
    await portal.add()
    code = await portal.log_in()
    tokens = (await portal.exchange(code)).json()
    assert (await portal.exchange(code)).json()["error"] == "invalid_grant"
    assert (await portal.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await _void_within_five_seconds(portal, bearer(tokens))


async def test_of_a_code_sent_twice_at_once_one_at_most_gets_a_token(portal: Portal) -> None:
    await portal.add()
    code = await portal.log_in()
    answers = await asyncio.gather(*(portal.exchange(code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers)[1:] == [400, 400, 400]


async def test_a_refresh_token_gives_the_next_one_and_is_used_up(portal: Portal) -> None:
    await portal.add()
    first = await portal.tokens()
    portal.front.clock.advance(200)
    second = (await portal.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await portal.browser.get("/fhir/Patient/1", headers=bearer(second))).status_code == 200
    third = await portal.refresh(second["refresh_token"])
    assert third.status_code == 200


async def test_a_refresh_token_used_twice_voids_the_login(portal: Portal) -> None:
    await portal.add()
    first = await portal.tokens()
    second = (await portal.refresh(first["refresh_token"])).json()
    assert (await portal.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await portal.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert await _void_within_five_seconds(portal, bearer(second))


async def test_a_refresh_token_is_its_clients_alone(portal: Portal) -> None:
    await portal.add()
    await portal.register(name="another")
    tokens = await portal.tokens()
    assert (await portal.refresh(tokens["refresh_token"], client_id="another")).json()["error"] == "invalid_grant"


async def test_a_refresh_may_ask_for_less_and_never_gets_more(portal: Portal) -> None:
    await portal.add()
    tokens = (await portal.exchange(await _code(portal, "online_access user/Patient.rs"))).json()
    assert tokens["scope"] == "online_access user/Patient.rs"
    more = (await portal.refresh(tokens["refresh_token"], scope="online_access user/*.cruds")).json()
    assert more["scope"] == "online_access user/Patient.rs"
    less = (await portal.refresh(more["refresh_token"], scope="user/Patient.r")).json()
    assert (less["scope"], "refresh_token" in less) == ("user/Patient.r", False)


async def test_without_online_or_offline_access_nothing_is_refreshed(portal: Portal) -> None:
    await portal.add()
    tokens = (await portal.exchange(await _code(portal, "openid user/Patient.rs"))).json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "id_token"}


async def test_online_access_ends_with_the_login_and_offline_access_later(portal: Portal) -> None:
    await portal.register(SCOPE + " offline_access", "mobile")
    await portal.add()
    online = await portal.tokens()
    asked = {"client_id": "mobile", "scope": "offline_access user/Patient.rs"}
    offline = (await portal.exchange(sent(await portal.open(**asked))["code"], client_id="mobile")).json()
    portal.front.clock.advance(28_801)
    assert (await portal.refresh(online["refresh_token"])).json()["error"] == "invalid_grant"
    again = await portal.refresh(offline["refresh_token"], client_id="mobile")
    assert again.status_code == 200
    portal.front.clock.advance(2_592_000)
    over = await portal.refresh(again.json()["refresh_token"], client_id="mobile")
    assert over.json()["error"] == "invalid_grant"


async def test_a_client_gives_a_refresh_token_back_with_all_that_followed(portal: Portal) -> None:
    await portal.add()
    tokens = await portal.tokens()
    form = {"client_id": "portal", "token": tokens["refresh_token"]}
    assert (await portal.browser.post("/auth/revoke", data=form)).status_code == 200
    assert (await portal.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await _void_within_five_seconds(portal, bearer(tokens))


async def test_an_app_with_keys_proves_who_it_is(portal: Portal, keys: KeyPair) -> None:
    front = portal.front
    await portal.add()
    await front.clients.add("server-app", "platform", SCOPE, keys.jwks, Options(redirect_uris=(REDIRECT,)))
    code = sent(await portal.submit(await portal.open(client_id="server-app")))["code"]
    assert (await portal.exchange(code, client_id="server-app")).json()["error"] == "invalid_client"
    proof = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": front.assertion(keys, "server-app"),
    }
    assert (await portal.exchange(code, client_id="server-app", **proof)).status_code == 200


async def test_an_app_without_keys_may_not_ask_about_tokens(portal: Portal) -> None:
    await portal.add()
    form = {"client_id": "portal", "token": (await portal.tokens())["access_token"]}
    assert (await portal.browser.post("/auth/introspect", data=form)).json()["error"] == "unauthorized_client"


async def _code(portal: Portal, scope: str) -> str:
    return sent(await portal.submit(await portal.open(scope=scope)))["code"]
