"""The token endpoint for systems and people, with introspection and revocation of a client's own tokens.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html · https://www.rfc-editor.org/rfc/rfc6749#section-3.2
"""

from typing import Any

from fastapi import APIRouter, Response

from gateway.client_authentication import ClientAuthentication
from gateway.grants import Grants
from gateway.oauth import Asked, OAuthError, posted
from gateway.registry import Client, Logins, Revocations
from gateway.remember import Remember
from gateway.scopes import Scopes, check_grantable, grant, read_scopes
from gateway.session import Session
from gateway.tokens import AccessTokens, TokenRefusedError, system_bearer
from services.fhir.scopes import ScopeError
from services.kit.logging import log

_GRANTS = ("client_credentials", "authorization_code", "refresh_token")


class TokenEndpoint:
    """Answers the three POSTs under /auth."""

    def __init__(
        self,
        authenticate: ClientAuthentication,
        tokens: AccessTokens,
        grants: Grants,
        logins: Logins,
        revocations: Revocations,
    ) -> None:
        self._authenticate = authenticate
        self._tokens = tokens
        self._grants = grants
        self._logins = logins
        self._revocations = revocations

    async def issue(self, asked: Asked) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc6749#section-4"""
        kind = asked.form.get("grant_type")
        if kind is None:
            raise OAuthError("invalid_request", "grant_type is missing")
        if kind not in _GRANTS:
            raise OAuthError("unsupported_grant_type", f"grant_type must be one of {', '.join(_GRANTS)}")
        client = await self._authenticate(asked)
        if client.is_app == (kind == "client_credentials"):
            raise OAuthError("unauthorized_client", "apps get tokens for people, systems for themselves")
        if kind == "authorization_code":
            return await self._grants.by_code(asked, client)
        if kind == "refresh_token":
            return await self._grants.by_refresh(asked, client)
        return await self._for_itself(asked, client)

    async def introspect(self, asked: Asked) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc7662#section-2; of another client's token it says no more than of none."""
        client = await self._authenticate(asked)
        if not client.has_keys:
            raise OAuthError("unauthorized_client", "a client without keys may not ask about tokens")
        session = await self._own_token(asked, client)
        if session is None or await self._revocations.is_void(session):
            return {"active": False}
        scope = " ".join((*sorted(session.rights), *session.scopes))
        return {
            "active": True,
            "client_id": session.client,
            "sub": session.account or session.client,
            "scope": scope,
            "jti": session.jti,
            "iat": int(session.issued_at),
            "exp": int(session.expires_at),
        }

    async def revoke(self, asked: Asked) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc7009#section-2; a token that is none is as good as revoked."""
        client = await self._authenticate(asked)
        session = await self._own_token(asked, client)
        if session is not None:
            await self._revocations.revoke(session.jti, session.expires_at)
        elif (login := await self._logins.peek_refresh(asked.form["token"])) and login.client == client.client_id:
            await self._grants.end(login)
        log("token.revoked", client=client.client_id)
        return {}

    async def _for_itself(self, asked: Asked, client: Client) -> dict[str, Any]:
        asked.about = "client_credentials"
        token = await self._tokens.issue(system_bearer(client), _granted(asked.form.get("scope", ""), client))
        asked.be(client.client_id, client.organization, None, token.jti)
        log("token.issued", client=client.client_id, organization=client.organization)
        return {
            "access_token": token.text,
            "token_type": "bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }

    async def _own_token(self, asked: Asked, client: Client) -> Session | None:
        if "token" not in asked.form:
            raise OAuthError("invalid_request", "token is missing")
        try:
            session = await self._tokens.read(asked.form["token"])
        except TokenRefusedError:
            return None
        return session if session.client == client.client_id else None


def routes(endpoint: TokenEndpoint, remember: Remember) -> APIRouter:
    router = APIRouter(prefix="/auth", tags=["auth"])
    answers = {"token": endpoint.issue, "introspect": endpoint.introspect, "revoke": endpoint.revoke}
    for act, answer in answers.items():
        route = posted(act, answer, remember)
        router.add_api_route(f"/{act}", route, methods=["POST"], summary=act, response_class=Response)
    return router


def _granted(scope: str, client: Client) -> Scopes:
    held = read_scopes(client.scopes)
    try:
        asked = read_scopes(scope)
        check_grantable(asked, ("system", "user", "patient"), frozenset(asked.rights))
    except ScopeError as error:
        raise OAuthError("invalid_scope", str(error)) from error
    granted = grant(asked, held)
    if not granted.text:
        raise OAuthError("invalid_scope", "none of the scopes asked for is registered for this client")
    return granted
