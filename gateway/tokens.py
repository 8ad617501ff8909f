"""Access tokens: signed by the gateway, five minutes at most, and never to be taken for an assertion (RFC 9068).

https://www.rfc-editor.org/rfc/rfc9068
"""

from typing import Any

import msgspec

from gateway.jws import JwsError, is_signed_by, open_compact, sign
from gateway.registry import Client, SigningKeys
from gateway.scopes import Scopes, read_scopes
from gateway.session import TREATMENT, Bearer, Session
from gateway.settings import MAX_TOKEN_SECONDS, GatewaySettings
from services.fhir.scopes import ScopeError
from services.kit.clock import Clock
from services.kit.ids import uuid7

ALGORITHM = "RS384"
TYPE = "at+jwt"


class TokenRefusedError(Exception):
    """Not an access token of this gateway, or no longer."""


class AccessToken(msgspec.Struct, frozen=True):
    text: str
    scope: str
    expires_in: int
    jti: str


class _Claims(msgspec.Struct, frozen=True):
    """Any other type of value makes the token invalid."""

    iss: str
    aud: str
    sub: str
    client_id: str
    organization: str
    scope: str
    jti: str
    iat: int
    exp: int
    practitioner: str | None = None
    sid: str = ""
    purposes: tuple[str, ...] = (TREATMENT,)
    rate: int = 0


def system_bearer(client: Client) -> Bearer:
    """Return for whom a token is made when a client acts for itself."""
    return Bearer(
        client=client.client_id, organization=client.organization, purposes=client.purposes, rate=client.rate or 0
    )


class AccessTokens:
    def __init__(self, settings: GatewaySettings, keys: SigningKeys, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock

    async def issue(self, bearer: Bearer, scopes: Scopes) -> AccessToken:
        """Return a token; the scopes are granted already, nothing is checked here."""
        now, life, jti = int(self._clock.seconds()), self._settings.token_seconds, uuid7()
        claims: dict[str, Any] = {
            "iss": self._settings.front,
            "aud": self._settings.public_base,
            "sub": bearer.account or bearer.client,
            "client_id": bearer.client,
            "organization": bearer.organization,
            "scope": scopes.text,
            "jti": jti,
            "iat": now,
            "exp": now + life,
            "purposes": bearer.purposes,
        }
        if bearer.account:
            claims |= {"practitioner": bearer.practitioner, "sid": bearer.family}
        if bearer.rate:
            claims["rate"] = bearer.rate
        kid, private_key = await self._keys.signer()
        text = sign({"typ": TYPE, "kid": kid}, claims, private_key, ALGORITHM)
        return AccessToken(text, scopes.text, life, jti)

    async def read(self, token: str) -> Session:
        """Return what a token says, or raise TokenRefusedError; whether it was revoked is asked elsewhere."""
        try:
            compact = open_compact(token)
            claims = msgspec.convert(compact.claims, _Claims)
            scopes = read_scopes(claims.scope)
        except (JwsError, msgspec.ValidationError, ScopeError) as error:
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
        return _session(claims, scopes, str(kid))


def _session(claims: _Claims, scopes: Scopes, kid: str) -> Session:
    is_person = claims.practitioner is not None
    return Session(
        client=claims.client_id,
        organization=claims.organization,
        practitioner=claims.practitioner,
        account=claims.sub if is_person else "",
        family=claims.sid if is_person else "",
        purposes=claims.purposes,
        rate=claims.rate,
        scopes=tuple(scope.text for scope in scopes.fhir),
        rights=frozenset(scopes.rights),
        jti=claims.jti,
        kid=kid,
        issued_at=claims.iat,
        expires_at=claims.exp,
    )
