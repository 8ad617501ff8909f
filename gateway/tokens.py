"""Access tokens: signed by the gateway, five minutes at most, and never to be taken for an assertion (RFC 9068).

https://www.rfc-editor.org/rfc/rfc9068
"""

from collections.abc import Sequence

import msgspec

from gateway.jws import JwsError, is_signed_by, open_compact, sign
from gateway.registry import Client, SigningKeys
from gateway.settings import MAX_TOKEN_SECONDS, GatewaySettings
from services.kit.clock import Clock
from services.kit.ids import uuid7

ALGORITHM = "RS384"
TYPE = "at+jwt"


class TokenRefusedError(Exception):
    """Not an access token of this gateway, or no longer."""


class Session(msgspec.Struct, frozen=True):
    """What a token says of its bearer. Times in seconds since 1970."""

    client: str
    organization: str
    scopes: tuple[str, ...]
    jti: str
    issued_at: float
    expires_at: float


class AccessToken(msgspec.Struct, frozen=True):
    text: str
    scope: str
    expires_in: int


class _Claims(msgspec.Struct, frozen=True):
    """Any other type of value makes the token invalid."""

    iss: str
    aud: str
    client_id: str
    organization: str
    scope: str
    jti: str
    iat: int
    exp: int


class AccessTokens:
    def __init__(self, settings: GatewaySettings, keys: SigningKeys, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock

    async def issue(self, client: Client, scopes: Sequence[str]) -> AccessToken:
        """Return a token for a client; the scopes are granted already, nothing is checked here."""
        now, life = int(self._clock.seconds()), self._settings.token_seconds
        scope = " ".join(scopes)
        claims = {
            "iss": self._settings.front,
            "aud": self._settings.public_base,
            "sub": client.client_id,
            "client_id": client.client_id,
            "organization": client.organization,
            "scope": scope,
            "jti": uuid7(),
            "iat": now,
            "exp": now + life,
        }
        kid, private_key = await self._keys.signer()
        return AccessToken(sign({"typ": TYPE, "kid": kid}, claims, private_key, ALGORITHM), scope, life)

    async def read(self, token: str) -> Session:
        """Return what a token says, or raise TokenRefusedError; whether it was revoked is asked elsewhere."""
        try:
            compact = open_compact(token)
            claims = msgspec.convert(compact.claims, _Claims)
        except (JwsError, msgspec.ValidationError) as error:
            raise TokenRefusedError("not an access token") from error
        kid = compact.header.get("kid")
        key = await self._keys.public_key(kid) if isinstance(kid, str) else None
        if compact.header.get("typ") != TYPE or key is None or not is_signed_by(compact, key, ALGORITHM):
            raise TokenRefusedError("not an access token of this gateway")
        if (claims.iss, claims.aud) != (self._settings.front, self._settings.public_base):
            raise TokenRefusedError("an access token for another server")
        if not claims.iat <= claims.exp <= claims.iat + MAX_TOKEN_SECONDS:
            raise TokenRefusedError("an access token with another life than this gateway gives")
        if self._clock.seconds() >= claims.exp:
            raise TokenRefusedError("the access token has expired")
        scopes = tuple(claims.scope.split())
        return Session(claims.client_id, claims.organization, scopes, claims.jti, claims.iat, claims.exp)
