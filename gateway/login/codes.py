"""The way back to the app: with a code that is worth one token, bound to the client, its challenge and the redirect URI.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
"""

from datetime import timedelta

from fastapi import Response

from gateway.login.request import AuthorizationRequest, SentBackError, sent_back_to
from gateway.oauth import OAuthError
from gateway.people_tokens import person_bearer
from gateway.registry import Account, Browser, Login, Logins, Revocations
from gateway.roles import granted
from gateway.scopes import OFFLINE, Scopes, read_scopes
from gateway.settings import MAX_TOKEN_SECONDS, GatewaySettings
from services.kit.clock import Clock
from services.kit.ids import uuid7


class SendBack:
    def __init__(self, settings: GatewaySettings, logins: Logins, revocations: Revocations, clock: Clock) -> None:
        self._issuer = settings.front
        self._offline = timedelta(seconds=settings.offline_seconds)
        self._logins = logins
        self._revocations = revocations
        self._clock = clock

    async def __call__(self, asked: AuthorizationRequest, account: Account, browser: Browser) -> Response:
        """Return the redirect with a code, or raise SentBackError where the person may do nothing at this app."""
        family = uuid7()
        scopes = granted(asked.scopes, account.roles, read_scopes(asked.client.scopes))
        if not scopes.text:
            denied = OAuthError("access_denied", "the roles of the account hold none of the scopes asked for")
            raise SentBackError(denied, asked.redirect_uri, asked.state)
        try:
            person_bearer(asked.client, account, family)
        except OAuthError as error:
            raise SentBackError(error, asked.redirect_uri, asked.state) from error
        login = self._login(asked, account, browser, scopes, family)
        code = await self._logins.issue_code(login, asked.challenge, asked.redirect_uri)
        return redirect(sent_back_to(asked.redirect_uri, code=code, state=asked.state, iss=self._issuer))

    def refused(self, error: SentBackError) -> Response:
        """Return the redirect that tells the app why there is no code."""
        told = {"error": error.error.error, "error_description": error.error.description}
        return redirect(sent_back_to(error.redirect_uri, **told, state=error.state, iss=self._issuer))

    async def end(self, browser_id: str) -> None:
        """Void everything that followed from a login at a browser."""
        for family in await self._logins.end_browser(browser_id):
            await self._revocations.revoke(family, self._clock.seconds() + MAX_TOKEN_SECONDS)

    def _login(
        self, asked: AuthorizationRequest, account: Account, browser: Browser, scopes: Scopes, family: str
    ) -> Login:
        is_offline = OFFLINE in scopes.rights
        return Login(
            client=asked.client.client_id,
            account=account.id,
            family=family,
            browser=browser.id,
            scope=scopes.text,
            methods=browser.methods,
            began_at=browser.began_at,
            ends_at=self._clock.now() + self._offline if is_offline else browser.expires_at,
            nonce=asked.nonce,
        )


def redirect(url: str) -> Response:
    return Response(status_code=303, headers={"location": url, "cache-control": "no-store"})
