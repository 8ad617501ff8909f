"""The two grants of people at the token endpoint: a code with the verifier of its challenge, a refresh token for the next one.

https://www.rfc-editor.org/rfc/rfc7636#section-4.6 · https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
"""

import base64
import hashlib
import hmac
import re
from typing import Any, Final

from gateway.oauth import Asked, OAuthError
from gateway.people_tokens import PeopleTokens
from gateway.registry import Client, Login, Logins, ReusedError, Revocations
from gateway.scopes import check_parameters, grant, read_scopes
from gateway.settings import MAX_TOKEN_SECONDS
from services.fhir.scopes import ScopeError
from services.kit.clock import Clock
from services.kit.logging import log

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


class Grants:
    def __init__(self, logins: Logins, people: PeopleTokens, revocations: Revocations, clock: Clock) -> None:
        self._logins = logins
        self._people = people
        self._revocations = revocations
        self._clock = clock

    async def by_code(self, asked: Asked, client: Client) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3"""
        asked.about = "authorization_code"
        value, redirect_uri, verifier = _needed(asked, "code", "redirect_uri", "code_verifier")
        try:
            code = await self._logins.take_code(value)
        except ReusedError as error:
            raise await self._stolen(error.login, "code") from error
        if code is None or code.login.client != client.client_id or code.redirect_uri != redirect_uri:
            raise OAuthError("invalid_grant", "no code of this client and redirect URI waits for its token")
        if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(challenge_of(verifier), code.challenge):
            raise OAuthError("invalid_grant", "code_verifier is not what code_challenge was made from")
        return await self._issue(asked, client, code.login, code.login.scope)

    async def by_refresh(self, asked: Asked, client: Client) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc6749#section-6; the scopes may become fewer, for this token only."""
        asked.about = "refresh_token"
        [value] = _needed(asked, "refresh_token")
        try:
            login = await self._logins.take_refresh(value)
        except ReusedError as error:
            raise await self._stolen(error.login, "refresh token") from error
        if login is None or login.client != client.client_id:
            raise OAuthError("invalid_grant", "the refresh token is not valid, or not this client's: log in again")
        try:
            check_parameters(wanted := read_scopes(asked.form.get("scope", login.scope)))
            scope = grant(wanted, read_scopes(login.scope)).text
        except ScopeError as error:
            raise OAuthError("invalid_scope", str(error)) from error
        return await self._issue(asked, client, login, scope)

    async def end(self, login: Login) -> None:
        """Let nothing that followed from a login be worth anything, on every replica within five seconds."""
        await self._logins.end(login.family)
        await self._revocations.revoke(login.family, self._clock.seconds() + MAX_TOKEN_SECONDS)

    async def _stolen(self, login: Login, what: str) -> OAuthError:
        """Two hold the same secret, and who is the thief cannot be told."""
        await self.end(login)
        log("login.stolen", client=login.client, reason=what)
        return OAuthError("invalid_grant", f"this {what} was used before: everything from this login is void")

    async def _issue(self, asked: Asked, client: Client, login: Login, scope: str) -> dict[str, Any]:
        answer, bearer, token = await self._people.issue(client, login, scope)
        asked.be(bearer.client, bearer.organization, bearer.practitioner, token.jti)
        log("token.issued", client=bearer.client, organization=bearer.organization)
        return answer


def challenge_of(verifier: str) -> str:
    """https://www.rfc-editor.org/rfc/rfc7636#section-4.2, the method S256"""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _needed(asked: Asked, *names: str) -> list[str]:
    for name in names:
        if name not in asked.form:
            raise OAuthError("invalid_request", f"{name} is missing")
    return [asked.form[name] for name in names]
