"""The keys of an OpenID provider: found by discovery, kept, and asked for again when it signs with a new one.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

import time
from typing import Any, Final

import msgspec

from gateway.client_keys import RETRY_SECONDS, KeySet
from gateway.jws import CURVES, KEY_TYPES
from gateway.keys import MAX_PUBLISHED, Jwk, KeyRefusedError, is_strong
from gateway.provider_settings import ProviderSettings
from services.fhir.outcomes import unavailable
from services.kit.logging import log
from services.kit.outbound import Outbound, OutboundFailedError, OutboundRefusedError

DISCOVERY: Final = "/.well-known/openid-configuration"
_AWAY: Final = {"Retry-After": "1"}


class ProviderKeys:
    def __init__(self, settings: ProviderSettings, outbound: Outbound) -> None:
        self._settings = settings
        self._outbound = outbound
        self._set = self._set_at(settings.jwks_uri) if settings.jwks_uri else None
        self._tried = -RETRY_SECONDS

    async def find(self, kid: str, algorithm: str) -> Jwk | None:
        """Return the one key of that kid that fits the algorithm; 503 while the provider's keys were never seen."""
        known = self._set or await self._discover()
        keys = await known.find(kid) if known else ()
        if known is None or not known.is_known:
            raise unavailable("The OpenID provider does not answer", headers=_AWAY)
        return keys[0] if len(keys) == 1 and _fits(keys[0], algorithm) else None

    async def _discover(self) -> KeySet | None:
        now = time.monotonic()
        if now - self._tried < RETRY_SECONDS:
            return None
        self._tried = now
        try:
            answer = await self._outbound.get(self._settings.issuer.rstrip("/") + DISCOVERY)
            document = msgspec.json.decode(answer.body, type=dict[str, Any])
        except (OutboundRefusedError, OutboundFailedError, msgspec.DecodeError) as error:
            log("provider.unreachable", reason=type(error).__name__)
            return None
        uri = document.get("jwks_uri")
        if document.get("issuer") != self._settings.issuer or not isinstance(uri, str):
            log("provider.refused", reason="its discovery document is of another issuer")
            return None
        self._set = self._set_at(uri)
        return self._set

    def _set_at(self, url: str) -> KeySet:
        return KeySet(url, self._outbound, _usable)


def _usable(document: object) -> list[Jwk]:
    """Return the keys that may verify signatures, each reduced to what that needs."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > MAX_PUBLISHED:
        raise KeyRefusedError(f"expected a JWK Set with at most {MAX_PUBLISHED} keys")
    return [_reduced(key) for key in keys if _verifies(key)]


def _verifies(key: Any) -> bool:
    is_key = isinstance(key, dict) and isinstance(key.get("kid"), str) and key.get("use", "sig") == "sig"
    return is_key and is_strong(key)


def _reduced(key: Jwk) -> Jwk:
    names = ("kty", "kid", "n", "e") if key["kty"] == "RSA" else ("kty", "kid", "crv", "x", "y")
    return {name: key[name] for name in names}


def _fits(key: Jwk, algorithm: str) -> bool:
    return KEY_TYPES[algorithm] == key["kty"] and CURVES.get(algorithm) == key.get("crv")
