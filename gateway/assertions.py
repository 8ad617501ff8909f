"""A client proves who it is: private_key_jwt, with every check that trust.md lists under "Tokens".

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.jws import KEY_TYPES, Compact, JwsError, is_signed_by, open_compact
from gateway.keys import Jwk
from gateway.registry import Client

MAX_AHEAD_SECONDS = 300
SKEW_SECONDS = 30
MAX_TEXT = 256

FindClient = Callable[[str], Awaitable[Client | None]]
FindKeys = Callable[[Client, str], Awaitable[Sequence[Jwk]]]
ClaimJti = Callable[[str, str, float], Awaitable[bool]]


class AssertionRefusedError(Exception):
    """The message tells the client what to mend, and nobody whether a client, a key or a signature exists."""


class AssertionCheck:
    """Checks the assertions made for one token endpoint, with the algorithms that this server is configured for."""

    def __init__(
        self,
        token_url: str,
        algorithms: Sequence[str],
        find_client: FindClient,
        find_keys: FindKeys,
        claim_jti: ClaimJti,
    ) -> None:
        self._token_url = token_url
        self._algorithms = algorithms
        self._find_client = find_client
        self._find_keys = find_keys
        self._claim_jti = claim_jti

    async def __call__(self, assertion: str, now: float) -> Client:
        """Return the client that made the assertion, or raise AssertionRefusedError; DatabaseUnavailable is not skipped."""
        token = _open(assertion)
        algorithm = self._check_header(token)
        client = await self._find_signer(token, algorithm)
        expires = _check_times(token.claims, now)
        if token.claims.get("aud") != self._token_url:
            raise AssertionRefusedError("aud must be the URL of the token endpoint, as one string")
        jti = _text(token.claims, "jti")
        # Last, after the signature: nobody may use up the jti of another.
        if not await self._claim_jti(client.client_id, jti, expires):
            raise AssertionRefusedError("this jti was used before: make a new assertion for each request")
        return client

    def _check_header(self, token: Compact) -> str:
        header = token.header
        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise AssertionRefusedError(f"alg must be one of {', '.join(self._algorithms)}")
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise AssertionRefusedError("typ must be JWT")
        return str(algorithm)

    async def _find_signer(self, token: Compact, algorithm: str) -> Client:
        issuer, kid = _text(token.claims, "iss"), _text(token.header, "kid")
        if token.claims.get("sub") != issuer:
            raise AssertionRefusedError("iss and sub must both be the client id")
        client = await self._find_client(issuer)
        key = _key(await self._find_keys(client, kid), algorithm) if client else None
        if client is None or key is None or not is_signed_by(token, key, algorithm) or client.is_disabled:
            raise AssertionRefusedError("no active client with this id has a key of this kid that made the signature")
        return client


def _open(assertion: str) -> Compact:
    try:
        return open_compact(assertion)
    except JwsError as error:
        raise AssertionRefusedError(str(error)) from error


def _key(keys: Sequence[Jwk], algorithm: str) -> Jwk | None:
    return keys[0] if len(keys) == 1 and keys[0]["kty"] == KEY_TYPES[algorithm] else None


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT or not value.isprintable():
        raise AssertionRefusedError(f"{name} must be a text of 1 to {MAX_TEXT} characters")
    return value


def _check_times(claims: dict[str, Any], now: float) -> float:
    expires = _seconds(claims, "exp")
    if expires is None or not now < expires <= now + MAX_AHEAD_SECONDS:
        raise AssertionRefusedError(f"exp must lie ahead, by no more than {MAX_AHEAD_SECONDS} seconds")
    for name in ("iat", "nbf"):
        if (_seconds(claims, name) or 0) > now + SKEW_SECONDS:
            raise AssertionRefusedError(f"{name} lies in the future: check your clock")
    return expires


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AssertionRefusedError(f"{name} must be a number of seconds since 1970")
    return float(value)
