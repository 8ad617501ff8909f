"""Access tokens of an OpenID provider elsewhere: verified by its keys, read by its claims, worth no more than roles and client here.

https://www.rfc-editor.org/rfc/rfc9068#section-4 · https://www.rfc-editor.org/rfc/rfc8725
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway import scopes as own_record
from gateway.authenticate import ReadToken
from gateway.jws import Compact, JwsError, is_signed_by, open_compact
from gateway.provider_keys import ProviderKeys
from gateway.provider_settings import ProviderSettings
from gateway.registry import Client, Clients
from gateway.registry.client import FHIR_ID
from gateway.roles import ROLES, granted, purposes_of, scopes_of
from gateway.scopes import Scopes, read_scopes
from gateway.session import Session
from gateway.tokens import TokenRefusedError
from services.fhir.access.limits import check_criteria
from services.fhir.scopes import ScopeError, parse_scope
from services.kit.clock import Clock

SKEW_SECONDS: Final = 30
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_NOT_ACCESS: Final = frozenset({"nonce", "at_hash", "c_hash"})  # an ID token has them, an access token does not


class ProviderTokens:
    def __init__(
        self, settings: ProviderSettings, public_base: str, keys: ProviderKeys, clients: Clients, clock: Clock
    ) -> None:
        self._settings = settings
        self._public_base = public_base
        self._keys = keys
        self._clients = clients
        self._clock = clock

    async def read(self, token: str) -> Session:
        """Return what a token of the provider says here, or raise TokenRefusedError; 503 while its keys cannot be had."""
        try:
            compact = open_compact(token)
        except JwsError as error:
            raise TokenRefusedError("not an access token") from error
        await self._check_signature(compact)
        claims = compact.claims
        issued, expires = self._check_claims(claims)
        client = await self._clients.get(_text(claims, self._settings.client_claim) or _text(claims, "client_id"))
        if client is None or client.is_disabled:
            raise TokenRefusedError("an access token of a client that is not registered here")
        return self._session(claims, client, issued, expires, token)

    async def _check_signature(self, token: Compact) -> None:
        algorithm, kid = token.header.get("alg"), token.header.get("kid")
        if algorithm not in self._settings.algorithms or not isinstance(kid, str):
            raise TokenRefusedError("an access token signed in a way that is not taken")
        if str(token.header.get("typ", "JWT")).lower() not in _TYPES:
            raise TokenRefusedError("not an access token")
        key = await self._keys.find(kid, str(algorithm))
        if key is None or not is_signed_by(token, key, str(algorithm)):
            raise TokenRefusedError("not an access token of the provider")

    def _check_claims(self, claims: Mapping[str, Any]) -> tuple[float, float]:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._settings.issuer or self._settings.audience not in audiences:
            raise TokenRefusedError("an access token for another server")
        if _NOT_ACCESS.intersection(claims) or claims.get("typ", "Bearer") != "Bearer":  # Keycloak's claim of the kind
            raise TokenRefusedError("not an access token")
        now, issued, expires = self._clock.seconds(), _seconds(claims, "iat"), _seconds(claims, "exp")
        if now >= expires:
            raise TokenRefusedError("the access token has expired")
        if issued > now + SKEW_SECONDS or ("nbf" in claims and _seconds(claims, "nbf") > now + SKEW_SECONDS):
            raise TokenRefusedError("the access token is not valid yet")
        if expires - issued > self._settings.max_token_seconds:
            raise TokenRefusedError("the access token lives longer than is taken here")
        return issued, expires

    def _session(self, claims: Mapping[str, Any], client: Client, issued: float, expires: float, token: str) -> Session:
        roles = self._roles(claims)
        person = self._person(claims, roles)
        asked = _asked(_text(claims, "scope"), roles)
        scopes = granted(asked, roles, read_scopes(client.scopes))
        purposes = purposes_of(roles, client.purposes)
        if not purposes:
            raise TokenRefusedError("the client is registered for no purpose of these roles")
        return Session(
            client=client.client_id,
            organization=self._organization(claims, client, person),
            practitioner=person,
            account=f"{_text(claims, 'sub')}@{self._settings.issuer}" if person else "",
            purposes=purposes,
            rate=client.rate or 0,
            scopes=tuple(scope.text for scope in scopes.fhir),
            rights=frozenset(scopes.rights),
            jti=_text(claims, "jti") or hashlib.sha256(token.encode()).hexdigest(),
            issued_at=issued,
            expires_at=expires,
        )

    def _roles(self, claims: Mapping[str, Any]) -> list[str]:
        given = _at(claims, self._settings.roles_claim)
        names = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
        roles = [role for name in names if (role := self._settings.roles.get(name, name)) in ROLES]
        if not roles:
            raise TokenRefusedError("the access token names no role that is known here")
        return roles

    def _person(self, claims: Mapping[str, Any], roles: Sequence[str]) -> str | None:
        """Return the reference of the person, None for a machine; each role must be one of such a person."""
        person = _text(claims, self._settings.person_claim).removeprefix(f"{self._public_base}/")
        kind, _, identifier = person.partition("/")
        if person and not FHIR_ID.fullmatch(identifier):
            raise TokenRefusedError(f"{self._settings.person_claim} must be a reference, e.g. Practitioner/1")
        for role in roles:
            is_machine = ROLES[role].context == "system"
            if is_machine if person else not is_machine:
                raise TokenRefusedError("people and machines have roles of their own")
            if person and kind not in ROLES[role].people:
                raise TokenRefusedError("the person is none that has such a role")
        if ROLES[roles[0]].context == "patient" and kind not in own_record.OWN_RECORD_IS_ENFORCED_FOR:
            raise TokenRefusedError("scopes for a patient's own record are not enforced here yet")
        return person or None

    def _organization(self, claims: Mapping[str, Any], client: Client, person: str | None) -> str:
        given = _text(claims, self._settings.organization_claim)
        if person is None and not given:
            return client.organization
        if not FHIR_ID.fullmatch(given):
            raise TokenRefusedError(f"{self._settings.organization_claim} must be the id of an Organization")
        return given


def by_issuer(own: ReadToken, provider: ReadToken, issuer: str) -> ReadToken:
    """Return what reads the tokens of both; each looks at the issuer again, once the signature is known."""

    async def read(token: str) -> Session:
        try:
            is_of_provider = open_compact(token).claims.get("iss") == issuer
        except JwsError as error:
            raise TokenRefusedError("not an access token") from error
        return await (provider if is_of_provider else own)(token)

    return read


def _asked(text: str, roles: Sequence[str]) -> Scopes:
    """Return the FHIR scopes that a token states, all that its roles have where it states none."""
    stated = []
    for part in text.split():
        try:
            check_criteria(scope := parse_scope(part))
        except ScopeError:
            continue  # openid, profile: about the person, not about resources
        stated.append(scope)
    if stated:
        return Scopes(tuple(stated))
    return Scopes(tuple(scope for role in roles for scope in scopes_of(role).fhir))


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim of that name, else that within others: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(claims: Mapping[str, Any], path: str) -> str:
    value = _at(claims, path)
    return value if isinstance(value, str) and value.isprintable() else ""


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefusedError(f"{name} must be a number of seconds since 1970")
    return float(value)
