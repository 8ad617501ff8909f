"""An OpenID provider elsewhere in place of the logins here: its tokens are taken, as far as they are its, for us, and no more than access tokens."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway.keys import KeyPair
from gateway.registry import Options
from gateway.settings import GatewaySettings
from services.kit.clock import SystemClock
from tests.front import KEY, Front
from tests.matchers import assert_outcome
from tests.people import Portal
from tests.provider import AUDIENCE, BACK, Provider, provider

__all__ = ["provider"]

DOCTOR = {"fhirUser": "Practitioner/7", "organization": "hospital", "roles": ["physician"]}


def _settings(provider: Provider, **changes: Any) -> dict[str, Any]:
    given = {"issuer": provider.issuer, "audience": AUDIENCE, **changes}
    return {"provider": given, "outbound_networks": ("127.0.0.0/8",)}


@pytest.fixture
async def front(clean_database: str, provider: Provider) -> AsyncIterator[Front]:
    provider.claims = dict(DOCTOR)
    async with Front(clean_database, **_settings(provider)) as front:
        front.clock.advance(SystemClock().seconds() - front.clock.seconds())
        await front.clients.add("portal", "platform", "user/*.cruds", None, Options(redirect_uris=(BACK,)))
        yield front


async def _get(
    front: Front, tokens: dict[str, Any], path: str = "/fhir/Patient/1", name: str = "access_token"
) -> httpx.Response:
    return await front.http.get(path, headers={"Authorization": f"Bearer {tokens[name]}"})


async def test_a_person_of_the_provider_reaches_the_services_as_the_caller(front: Front, provider: Provider) -> None:
    tokens = provider.code_token()
    for _ in range(2):
        assert (await _get(front, tokens)).status_code == 200
    caller = front.mirror.seen[-1]["caller"]
    assert (caller["client"], caller["organization"], caller["practitioner"], caller["purpose"]) == (
        "portal",
        "hospital",
        "Practitioner/7",
        "TREAT",
    )
    assert caller["jti"]
    assert "user/Observation.rs" in caller["scopes"]
    assert_outcome(await _get(front, tokens, "/fhir/Account/1"), 403, "forbidden")
    assert (403, "Practitioner/7") in await Portal(front).remembered("status", "practitioner")


async def test_scopes_of_the_token_narrow_those_of_the_role(front: Front, provider: Provider) -> None:
    await _get(front, provider.code_token(scope="openid profile user/Patient.r"))
    assert front.mirror.seen[-1]["caller"]["scopes"] == ("user/Patient.r",)
    await _get(front, provider.code_token(scope="openid"))
    assert "user/MedicationRequest.crus" in front.mirror.seen[-1]["caller"]["scopes"]


async def test_a_machine_of_the_provider_acts_for_itself(front: Front, provider: Provider, keys: KeyPair) -> None:
    await front.clients.add("gauge", "home", "system/Observation.c system/Patient.rs", keys.jwks)
    provider.claims = {"roles": ["device"]}
    assert (await _get(front, provider.machine_token("gauge"), "/fhir/Patient/1")).status_code == 200
    caller = front.mirror.seen[-1]["caller"]
    assert (caller["organization"], caller["practitioner"]) == ("home", None)
    assert set(caller["scopes"]) == {"system/Observation.c", "system/Patient.rs"}


async def test_the_provider_exchanges_its_key_without_a_refused_request(
    front: Front, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.client_keys.RETRY_SECONDS", 0.0)
    before = provider.code_token()
    assert (await _get(front, before)).status_code == 200
    provider.rotate()
    after = provider.code_token()
    assert (await _get(front, after)).status_code == 200
    assert (await _get(front, before)).status_code == 200


async def test_claims_are_found_where_the_settings_say(clean_database: str, provider: Provider) -> None:
    """Keycloak's roles lie within another claim, and have names of their own."""
    provider.claims = {"fhir": {"user": "Practitioner/7"}, "org": "hospital", "realm_access": {"roles": ["arzt", "x"]}}
    mapping = {
        "person_claim": "fhir.user",
        "organization_claim": "org",
        "roles_claim": "realm_access.roles",
        "roles": {"arzt": "physician"},
        "client_claim": "client_id",
    }
    async with Front(clean_database, **_settings(provider, **mapping)) as front:
        front.clock.advance(SystemClock().seconds() - front.clock.seconds())
        await front.clients.add("portal", "platform", "user/*.cruds", None, Options(redirect_uris=(BACK,)))
        assert (await _get(front, provider.code_token())).status_code == 200
        assert front.mirror.seen[-1]["caller"]["organization"] == "hospital"


@pytest.mark.parametrize(
    "claims",
    [
        {"roles": []},
        {"roles": ["queen"]},
        {"roles": "physician"},
        {"roles": None},
        {"roles": ["device"]},
        {"roles": ["physician", "device"]},
        {"roles": ["elder"], "fhirUser": "RelatedPerson/1"},
        {"fhirUser": None},
        {"fhirUser": "Patient/7"},
        {"fhirUser": "Practitioner"},
        {"fhirUser": "https://elsewhere.example/fhir/Practitioner/7"},
        {"organization": None},
        {"organization": "Organization/1"},
        {"azp": "nobody", "client_id": "nobody"},
        {"aud": "https://another.example"},
        {"aud": ["https://another.example"]},
        {"aud": None},
        {"iss": "https://another.example"},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": None},
        {"iat": None},
        {"iat": 4_000_000_000, "exp": 4_000_000_100},
        {"nbf": 4_000_000_000},
        {"typ": "ID"},
        {"typ": "Refresh"},
        {"nonce": "n"},
        {"at_hash": "h"},
    ],
)
async def test_a_token_with_other_claims_opens_nothing(
    front: Front, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = {**DOCTOR, **claims}
    assert_outcome(await _get(front, provider.code_token()), 401, "login")
    assert front.mirror.seen == []


async def test_an_id_token_of_the_provider_opens_nothing(front: Front, provider: Provider) -> None:
    assert_outcome(await _get(front, provider.code_token(), name="id_token"), 401, "login")


async def test_a_token_that_lives_too_long_opens_nothing(front: Front, provider: Provider) -> None:
    provider.seconds = 301
    assert_outcome(await _get(front, provider.code_token()), 401, "login")


async def test_a_token_ends_when_it_says(front: Front, provider: Provider) -> None:
    tokens = provider.code_token()
    assert (await _get(front, tokens)).status_code == 200
    front.clock.advance(301)
    assert_outcome(await _get(front, tokens), 401, "login")


async def test_a_token_of_another_provider_with_the_same_words_opens_nothing(front: Front, provider: Provider) -> None:
    assert (await _get(front, provider.code_token())).status_code == 200
    with Provider() as impostor:
        impostor.claims = {**DOCTOR, "iss": provider.issuer}
        assert_outcome(await _get(front, impostor.code_token()), 401, "login")


async def test_a_client_that_is_disabled_here_is_refused_with_its_tokens(front: Front, provider: Provider) -> None:
    tokens = provider.code_token()
    assert (await _get(front, tokens)).status_code == 200
    await front.clients.disable("portal")
    started = time.monotonic()
    while (await _get(front, tokens)).status_code == 200:
        assert time.monotonic() - started < 5
    assert_outcome(await _get(front, provider.code_token()), 401, "login")


async def test_while_the_provider_is_away_its_tokens_wait_and_ours_do_not(
    clean_database: str, provider: Provider, keys: KeyPair
) -> None:
    provider.claims = dict(DOCTOR)
    tokens = provider.code_token()
    settings = _settings(provider, jwks_uri="http://127.0.0.1:9/jwks")
    async with Front(clean_database, **settings) as front:
        front.clock.advance(SystemClock().seconds() - front.clock.seconds())
        started = time.monotonic()
        assert_outcome(await _get(front, tokens), 503, "transient")
        assert time.monotonic() - started < 2
        await front.register(keys)
        assert (await front.http.get("/fhir/Patient/1", headers=await front.bearer(keys))).status_code == 200


async def test_the_provider_is_not_called_inside_unless_the_operator_says_so(
    clean_database: str, provider: Provider
) -> None:
    provider.claims = dict(DOCTOR)
    async with Front(clean_database, **{**_settings(provider), "outbound_networks": ()}) as front:
        assert_outcome(await _get(front, provider.code_token()), 503, "transient")


async def test_nobody_logs_in_here_any_more(front: Front) -> None:
    assert_outcome(await front.http.get("/auth/authorize"), 404, "not-found")
    configuration = (await front.http.get("/.well-known/smart-configuration")).json()
    assert "authorization_endpoint" not in configuration
    assert configuration["grant_types_supported"] == ["client_credentials"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "keycloak"}, "http"),
        ({"audience": ""}, "audience"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"max_token_seconds": 3601}, "max_token_seconds"),
        ({"roles": {"arzt": "queen"}}, "queen"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_provider_that_would_not_be_safe_is_refused(changes: dict[str, Any], words: str) -> None:
    given = {"issuer": "https://id.example.org/realms/a", "audience": AUDIENCE, **changes}
    with pytest.raises(ValidationError, match=words):
        GatewaySettings.model_validate({"database_url": "postgresql://h/d", "internal_key": KEY, "provider": given})
