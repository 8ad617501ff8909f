"""What an assertion must be, one row per rule of RFC 7523, SMART and docs/security: whatever else it is, it is refused.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jose import jwk
from jose.utils import base64url_encode, long_to_base64

from gateway.backend_client import token_request
from gateway.jws import sign
from gateway.keys import KeyPair, generate_key_pair
from gateway.registry import Assertions
from tests.front import BASE, TOKEN_URL, Front
from tests.relay import Relay

Changes = dict[str, Any]
GONE = object()


class Forger:
    """Makes assertions that are right but for what a row changes."""

    def __init__(self, keys: KeyPair, now: float) -> None:
        self.keys = keys
        self.now = int(now)
        self.other: KeyPair = _stranger()

    def header(self, **changes: Any) -> Changes:
        return _changed({"alg": "RS384", "typ": "JWT", "kid": self.keys.kid}, changes)

    def claims(self, **changes: Any) -> Changes:
        right = {"iss": "clinic-his", "sub": "clinic-his", "aud": TOKEN_URL, "exp": self.now + 300, "jti": "jti-1"}
        return _changed({**right, "iat": self.now}, changes)

    def made(
        self,
        header: Changes | None = None,
        claims: Changes | bytes | None = None,
        by: KeyPair | None = None,
        alg: str = "RS384",
    ) -> str:
        key = jwk.construct((by or self.keys).private_key, alg)
        return _compact(header or self.header(), claims or self.claims(), key.sign)

    def by_hmac(self, **header: Any) -> str:
        public = load_pem_private_key(self.keys.private_key.encode(), None).public_key()
        secret = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _compact(
            self.header(alg="HS256", **header), self.claims(), lambda text: hmac.digest(secret, text, hashlib.sha256)
        )


@cache
def _stranger() -> KeyPair:
    return generate_key_pair(2048)


def _changed(right: Changes, changes: Changes) -> Changes:
    return {name: value for name, value in {**right, **changes}.items() if value is not GONE}


def _compact(header: Changes | bytes, claims: Changes | bytes, signer: Callable[[bytes], bytes]) -> str:
    parts = [part if isinstance(part, bytes) else msgspec.json.encode(part) for part in (header, claims)]
    signed = b".".join(base64url_encode(part) for part in parts)
    return f"{signed.decode()}.{base64url_encode(signer(signed)).decode()}"


REFUSED: dict[str, Callable[[Forger], str]] = {
    # RS384 or ES384 only, from the server's configuration, bound to the key type
    "no signature": lambda f: _compact(f.header(alg="none"), f.claims(), lambda _: b"x"),
    "alg none, no third part": lambda f: f.made(f.header(alg="none")).rpartition(".")[0] + ".",
    "HS256 keyed with the public key": lambda f: f.by_hmac(),
    "RS256": lambda f: f.made(f.header(alg="RS256"), alg="RS256"),
    "RS512": lambda f: f.made(f.header(alg="RS512"), alg="RS512"),
    "RS384 signature called ES384": lambda f: f.made(f.header(alg="ES384")),
    "no alg": lambda f: f.made(f.header(alg=GONE)),
    "alg that is a list": lambda f: f.made(f.header(alg=["RS384"])),
    # kid names exactly one key of that client
    "no kid": lambda f: f.made(f.header(kid=GONE)),
    "unknown kid": lambda f: f.made(f.header(kid="another")),
    "kid that is no text": lambda f: f.made(f.header(kid=1)),
    "kid of another client's key": lambda f: f.made(f.header(kid=f.other.kid), by=f.other),
    # iss and sub are both the client id
    "unknown client": lambda f: f.made(claims=f.claims(iss="nobody", sub="nobody")),
    "iss of another client": lambda f: f.made(claims=f.claims(iss="another-his", sub="another-his")),
    "sub of another client": lambda f: f.made(claims=f.claims(sub="another-his")),
    "no sub": lambda f: f.made(claims=f.claims(sub=GONE)),
    "no iss": lambda f: f.made(claims=f.claims(iss=GONE)),
    "iss and sub that are lists": lambda f: f.made(claims=f.claims(iss=["clinic-his"], sub=["clinic-his"])),
    # aud = the token URL, a single string
    "no aud": lambda f: f.made(claims=f.claims(aud=GONE)),
    "aud of another server": lambda f: f.made(claims=f.claims(aud="https://example.org/auth/token")),
    "aud that is the FHIR base": lambda f: f.made(claims=f.claims(aud=BASE)),
    "aud in a list": lambda f: f.made(claims=f.claims(aud=[TOKEN_URL])),
    "aud in other letters": lambda f: f.made(claims=f.claims(aud=TOKEN_URL.upper())),
    # exp ≤ 300 s ahead
    "no exp": lambda f: f.made(claims=f.claims(exp=GONE)),
    "exp now": lambda f: f.made(claims=f.claims(exp=f.now)),
    "exp 302 s ahead": lambda f: f.made(claims=f.claims(exp=f.now + 302)),
    "exp decades ahead": lambda f: f.made(claims=f.claims(exp=f.now + 10**9)),
    "exp that is a text": lambda f: f.made(claims=f.claims(exp=str(f.now + 60))),
    "exp that is true": lambda f: f.made(claims=f.claims(exp=True)),
    "exp beyond every number": lambda f: f.made(
        claims=msgspec.json.encode(f.claims()).replace(b'"exp":', b'"exp":1e999,"x":')
    ),
    # iat not in the future beyond 30 s
    "iat 32 s ahead": lambda f: f.made(claims=f.claims(iat=f.now + 32)),
    "nbf 32 s ahead": lambda f: f.made(claims=f.claims(nbf=f.now + 32)),
    "iat that is a text": lambda f: f.made(claims=f.claims(iat="now")),
    # jti once per iss
    "no jti": lambda f: f.made(claims=f.claims(jti=GONE)),
    "empty jti": lambda f: f.made(claims=f.claims(jti="")),
    "jti that is no text": lambda f: f.made(claims=f.claims(jti=7)),
    "jti of 300 characters": lambda f: f.made(claims=f.claims(jti="x" * 300)),
    "jti with U+0000": lambda f: f.made(claims=f.claims(jti="a\0")),
    "jti used before": lambda f: f.made(claims=f.claims(jti="used")),
    # jku, x5u, jwk, crit, b64 refused
    **{
        f"{name} in the header": lambda f, name=name, value=value: f.made(f.header(**{name: value}))  # type: ignore[misc]
        for name, value in {
            "jku": "https://example.org/jwks",
            "x5u": "https://example.org/x5u",
            "jwk": {"kty": "RSA"},
            "crit": ["exp"],
            "b64": False,
        }.items()
    },
    # no JWE; header ≤ 8 KiB
    "five parts, a JWE": lambda f: f"{f.made()}.x.y",
    "header of 9 KiB": lambda f: f.made(f.header(pad="x" * 9000)),
    "claims of 40 KiB": lambda f: f.made(claims=f.claims(pad="x" * 40_000)),
    # the signature covers what is read
    "signature of an unregistered key": lambda f: f.made(by=f.other),
    "claims exchanged after signing": lambda f: ".".join(
        (*f.made(claims=f.claims(jti="a")).split(".")[:2], f.made().split(".")[2])
    ),
    "claims twice": lambda f: f.made(claims=msgspec.json.encode(f.claims()).replace(b'{"iss"', b'{"iss":"x","iss"')),
    "claims that are a list": lambda f: f.made(claims=b"[]"),
    "header that is no JSON": lambda f: _compact(b"{", f.claims(), jwk.construct(f.keys.private_key, "RS384").sign),
    "padding": lambda f: f.made() + "=",
    "another script": lambda _: "ａ.ｂ.ｃ",
    "nothing": lambda _: "..",
    # an access token is not an assertion
    "typ of an access token": lambda f: f.made(f.header(typ="at+jwt")),
}


@pytest.mark.parametrize("row", REFUSED)
async def test_an_assertion_is_refused(front: Front, keys: KeyPair, row: str) -> None:
    await front.register(keys)
    forger = Forger(keys, front.clock.seconds())
    await front.clients.add("another-his", "clinic", "system/*.r", forger.other.jwks)
    await Assertions(front.database.engine, front.clock).claim("clinic-his", "used", forger.now + 300)
    status, document = await _post(front, REFUSED[row](forger))
    assert (status, document["error"]) == (401, "invalid_client")
    assert document["error_description"]


async def test_what_the_rows_are_changed_from_is_taken_once(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    forger = Forger(keys, front.clock.seconds())
    assert [(await _post(front, forger.made()))[0] for _ in range(2)] == [200, 401]


async def test_a_refused_assertion_leaves_the_jti_to_its_owner(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    forger = Forger(keys, front.clock.seconds())
    assert (await _post(front, forger.made(by=forger.other)))[0] == 401
    assert (await _post(front, forger.made()))[0] == 200


async def test_a_jti_is_claimed_by_issuer_and_may_come_again_when_it_has_expired(front: Front, keys: KeyPair) -> None:
    claims = Assertions(front.database.engine, front.clock)
    expires = front.clock.seconds() + 60
    assert await claims.claim("a", "1", expires)
    assert not await claims.claim("a", "1", expires)
    assert await claims.claim("b", "1", expires)
    front.clock.advance(61)
    assert await claims.claim("a", "1", expires + 120)


async def test_an_access_token_is_no_assertion_and_an_assertion_no_access_token(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    token = (await front.ask_token(keys)).json()["access_token"]
    assert (await _post(front, token))[0] == 401
    bearer = {"Authorization": f"Bearer {front.assertion(keys)}"}
    assert (await front.http.get("/fhir/Patient/1", headers=bearer)).status_code == 401


async def test_a_clock_that_is_half_a_minute_off_does_no_harm(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    forger = Forger(keys, front.clock.seconds())
    assert (await _post(front, forger.made(claims=forger.claims(iat=forger.now + 29))))[0] == 200


async def test_es384_with_a_p384_key_is_taken_and_bound_to_it(front: Front) -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    point = private.public_key().public_numbers()
    public = {"kty": "EC", "crv": "P-384", "kid": "ec", **_point(point.x, point.y)}
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    forger = Forger(KeyPair(pem, public), front.clock.seconds())
    await front.register(forger.keys)
    good = sign({"typ": "JWT", "kid": "ec"}, forger.claims(), pem, "ES384")
    assert (await _post(front, good))[0] == 200
    named = _compact({"alg": "RS384", "kid": "ec"}, forger.claims(jti="2"), jwk.construct(pem, "ES384").sign)
    assert (await _post(front, named))[0] == 401


async def test_without_the_store_of_jtis_there_is_no_token(clean_database: str, keys: KeyPair) -> None:
    async with Relay(clean_database) as relay, Front(relay.url) as front:
        await front.register(keys)
        for is_silent in (False, True, False):
            assert (await _post(front, front.assertion(keys)))[0] == 200
            await relay.cut() if not is_silent else relay.hold()
            started = time.monotonic()
            status, document = await _post(front, front.assertion(keys))
            assert (status, document["error"]) == (503, "temporarily_unavailable")
            assert time.monotonic() - started < 2
            await relay.mend() if not is_silent else relay.release()


async def _post(front: Front, assertion: str) -> tuple[int, dict[str, Any]]:
    answer = await front.http.post("/auth/token", data=token_request(assertion, "system/*.cruds"))
    document: dict[str, Any] = answer.json()
    return answer.status_code, document


def _point(x: int, y: int) -> dict[str, str]:
    return {name: long_to_base64(value, 48).decode() for name, value in (("x", x), ("y", y))}
