"""Who may register, with which keys and scopes, and what the gateway must be told: refused with words that help."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose.utils import base64_to_long, long_to_base64
from pydantic import ValidationError

from gateway.backend_client import TokenError, fetch_token
from gateway.keys import KeyPair, KeyRefusedError, accept_jwks, generate_key_pair, thumbprint
from gateway.registry import RegistrationError
from gateway.settings import GatewaySettings
from services.fhir.scopes import ScopeError
from tests.front import BASE, KEY, Front


def _rsa(bits: int) -> dict[str, str]:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return {"kty": "RSA", "kid": "k", "n": long_to_base64(numbers.n).decode(), "e": "AQAB"}


def _ec(curve: ec.EllipticCurve, name: str) -> dict[str, str]:
    point = ec.generate_private_key(curve).public_key().public_numbers()
    x, y = (long_to_base64(value).decode() for value in (point.x, point.y))
    return {"kty": "EC", "kid": "k", "crv": name, "x": x, "y": y}


def _keys(*keys: dict[str, Any]) -> dict[str, Any]:
    return {"keys": list(keys)}


GOOD = _rsa(2048)
P384 = _ec(ec.SECP384R1(), "P-384")


def test_rsa_from_2048_bits_and_p384_are_taken_without_what_is_not_needed() -> None:
    accepted = accept_jwks(_keys({**GOOD, "x5c": ["…"], "jku": "https://example.org"}, {**P384, "kid": "e"}))["keys"]
    assert [sorted(key) for key in accepted] == [
        ["alg", "e", "kid", "kty", "n", "use"],
        ["alg", "crv", "kid", "kty", "use", "x", "y"],
    ]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"jwks_uri": "https://example.org/jwks"}, "jwks_uri"),
        ({}, "JWK Set"),
        (_keys(), "JWK Set"),
        (_keys(*[{**GOOD, "kid": str(number)} for number in range(11)]), "JWK Set"),
        ({"keys": GOOD}, "JWK Set"),
        ({"keys": ["k"]}, "object"),
        (_keys(_rsa(1024)), "1024 bits"),
        (_keys(_ec(ec.SECP256R1(), "P-256")), "P-384"),
        (_keys(_ec(ec.SECP521R1(), "P-521")), "P-384"),
        (_keys({**P384, "y": P384["x"]}), "not a valid EC key"),
        (_keys({**GOOD, "n": "AQ"}), "not a valid RSA key"),
        (_keys({**GOOD, "e": "Ag"}), "not a valid RSA key"),
        (_keys({**GOOD, "d": "AQAB"}), "private key material"),
        (_keys({**P384, "d": "AQAB"}), "private key material"),
        (_keys({"kty": "oct", "kid": "k", "k": "c2VjcmV0"}), "private key material"),
        (_keys({"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AA"}), "kty"),
        (_keys({"kty": "RSA", "kid": "k", "n": GOOD["n"]}), "are needed"),
        (_keys({name: value for name, value in GOOD.items() if name != "kid"}), "kid"),
        (_keys({**GOOD, "kid": ""}), "kid"),
        (_keys(GOOD, GOOD), "same kid"),
        (_keys({**GOOD, "alg": "RS256"}), "RS384"),
        (_keys({**GOOD, "use": "enc"}), "use sig"),
    ],
)
def test_a_key_set_that_would_not_be_safe_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(KeyRefusedError, match=words):
        accept_jwks(document)


def test_a_pair_made_here_may_be_registered() -> None:
    pair = generate_key_pair()
    assert accept_jwks(pair.jwks) == pair.jwks
    assert base64_to_long(pair.public_jwk["n"]).bit_length() == 3072


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """https://www.rfc-editor.org/rfc/rfc7638#section-3.1"""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    assert thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB"}) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


async def test_a_client_is_registered_once(front: Front, keys: KeyPair) -> None:
    client = await front.register(keys, "system/Patient.rs system/Patient.rs system/Task.cruds")
    assert client.scopes == "system/Patient.rs system/Task.cruds"
    assert await front.clients.get("clinic-his") == client
    assert await front.clients.list() == [client]
    with pytest.raises(RegistrationError, match="already registered"):
        await front.register(keys)
    assert await front.clients.get("nobody") is None
    assert [await front.clients.disable("nobody"), await front.clients.disable("clinic-his")] == [False, True]
    assert [one.is_disabled for one in await front.clients.list()] == [True]


@pytest.mark.parametrize(
    ("name", "organization", "scopes", "words"),
    [
        ("", "clinic", "system/*.r", "client id"),
        ("two words", "clinic", "system/*.r", "client id"),
        ("龘", "clinic", "system/*.r", "client id"),
        ("x" * 65, "clinic", "system/*.r", "client id"),
        ("Yiyang-clock", "", "system/*.r", "the platform's own"),
        ("his", "Organization/clinic", "system/*.r", "organization"),
        ("his", "", "system/*.r", "organization"),
        ("his", "clinic", "", "at least one scope"),
        ("his", "clinic", "user/Patient.r", "begin with system/"),
        ("his", "clinic", "system/Nothing.r", "no resource type Nothing"),
        ("his", "clinic", "system/Patient.read", "SMART v1"),
        ("his", "clinic", "system/Patient.sr", "in the order cruds"),
        ("his", "clinic", "system/Patient.rs?name=x", "may name a person"),
    ],
)
async def test_a_client_that_would_not_work_is_refused(
    front: Front, keys: KeyPair, name: str, organization: str, scopes: str, words: str
) -> None:
    with pytest.raises((RegistrationError, ScopeError), match=words):
        await front.clients.add(name, organization, scopes, keys.jwks)
    assert await front.clients.list() == []


async def test_a_client_needs_only_the_fhir_base_to_get_its_token(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    now = front.clock.seconds()
    token = await fetch_token(front.http, BASE, "clinic-his", keys.kid, keys.private_key, "system/*.cruds", now)
    answer = await front.http.get("/fhir/Patient/1", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert answer.status_code == 200
    with pytest.raises(TokenError, match="invalid_client"):
        await fetch_token(front.http, BASE, "nobody", keys.kid, keys.private_key, "system/*.cruds", now)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"internal_key": "short"}, "32 random bytes"),
        ({"internal_key": "changeme" * 4}, "32 random bytes"),
        ({"internal_key": None}, "internal_key"),
        ({"token_seconds": 301}, "token_seconds"),
        ({"assertion_algorithms": ["HS256"]}, "assertion_algorithms"),
        ({"assertion_algorithms": []}, "assertion_algorithms"),
        ({"public_base": "http://127.0.0.1:8000"}, "ends in /fhir"),
        ({"public_base": "file:///fhir"}, "ends in /fhir"),
    ],
)
def test_a_gateway_that_would_not_be_safe_does_not_start(changes: dict[str, Any], words: str) -> None:
    given = {"database_url": "postgresql://h/d", "internal_key": KEY, **changes}
    with pytest.raises(ValidationError, match=words):
        GatewaySettings.model_validate({name: value for name, value in given.items() if value is not None})


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIYANG_DATABASE_URL", "postgresql://h/d")
    monkeypatch.setenv("YIYANG_INTERNAL_KEY", KEY)
    monkeypatch.setenv("YIYANG_PUBLIC_BASE", "https://example.org/yiyang/fhir/")
    monkeypatch.setenv("YIYANG_PEERS", '{"records": "http://records:8000"}')
    settings = GatewaySettings.model_validate({})
    assert settings.token_url == "https://example.org/yiyang/auth/token"
    assert settings.peers == {"records": "http://records:8000"}
    assert KEY not in repr(settings)
