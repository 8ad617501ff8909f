"""The authorization endpoint: a person logs in here, or is logged in already, and goes back to the app with a code.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1 · https://www.rfc-editor.org/rfc/rfc9207
"""

import msgspec
from fastapi import APIRouter, Request, Response

from gateway.login import pages
from gateway.login.codes import SendBack
from gateway.login.cookies import Cookies
from gateway.login.credentials import CheckCredentials, LoginRefusedError, credentials_of
from gateway.login.request import AuthorizationRequest, NotSentBackError, ReadRequest, SentBackError
from gateway.login.shown import shown
from gateway.oauth import Form, OAuthError, read_form
from gateway.registry import Account, Accounts, Browser, Browsers
from gateway.remember import Remember, caller_of
from gateway.request_id import request_id_of
from services.kit.caller import Caller
from services.kit.logging import log


class LoginEndpoint:
    """Answers what a browser asks under /auth."""

    def __init__(
        self,
        read_request: ReadRequest,
        check: CheckCredentials,
        accounts: Accounts,
        browsers: Browsers,
        send_back: SendBack,
        cookies: Cookies,
        remember: Remember,
    ) -> None:
        self._read_request = read_request
        self._check = check
        self._accounts = accounts
        self._browsers = browsers
        self._send_back = send_back
        self._cookies = cookies
        self._remember = remember

    async def authorize(self, request: Request) -> Response:
        """Send a person who is logged in back at once, show the page to others."""
        asked = await self._read_request(request.url.query)
        known = await self._known(request)
        if known is not None and asked.prompt != "login":
            answer = await self._send_back(asked, *known)
            await self._remember(_caller(request, asked, known[0]), "authorize", 200)
            return answer
        if asked.prompt == "none":
            raise SentBackError(OAuthError("login_required", "nobody is logged in"), asked.redirect_uri, asked.state)
        return self._page(request, asked)

    async def login(self, request: Request) -> Response:
        """Take the page filled in."""
        form = await self._own_form(request)
        asked = await self._read_request(form.get("request", ""))
        try:
            account, methods = await self._check(credentials_of(form))
        except LoginRefusedError as error:
            log("login.refused", client=asked.client.client_id, status=error.status)
            await self._remember(_caller(request, asked, error.account), "login", error.status)
            return self._page(request, asked, error, form)
        cookie, browser = await self._browsers.open(account.id, methods)
        answer = await self._send_back(asked, account, browser)
        self._cookies.set_login(answer, cookie)
        await self._remember(_caller(request, asked, account), "login", 200)
        return answer

    async def ask_logout(self, request: Request) -> Response:
        answer = Response()
        page = pages.logout_page(self._cookies.form_token(request, answer))
        return _with_cookies(page, answer)

    async def logout(self, request: Request) -> Response:
        """End the login of this browser, with every token that followed from it."""
        await self._own_form(request)
        cookie = self._cookies.login(request)
        known = await self._known(request)
        browser_id = await self._browsers.close(cookie) if cookie else None
        if browser_id is not None:
            await self._send_back.end(browser_id)
            await self._remember(_caller(request, None, known[0] if known else None), "logout", 200)
        answer = pages.told_page("已退出 Logged out", "您已安全退出。 You are logged out.", 200)
        self._cookies.drop_login(answer)
        return answer

    async def _known(self, request: Request) -> tuple[Account, Browser] | None:
        """Return who is logged in at this browser."""
        cookie = self._cookies.login(request)
        browser = await self._browsers.use(cookie) if cookie else None
        account = await self._accounts.get(browser.account) if browser else None
        if browser is None or account is None or account.is_void(browser.began_at):
            return None
        return account, browser

    async def _own_form(self, request: Request) -> Form:
        form = await read_form(request)
        if not self._cookies.is_own_form(request, form.get("form_token", "")):
            raise NotSentBackError(pages.STALE)
        return form

    def _page(
        self,
        request: Request,
        asked: AuthorizationRequest,
        refused: LoginRefusedError | None = None,
        form: Form | None = None,
    ) -> Response:
        answer = Response()
        token = self._cookies.form_token(request, answer)
        if refused is None:
            return _with_cookies(pages.login_page(token, asked.query, asked.redirect_uri), answer)
        page = pages.login_page(
            token,
            asked.query,
            asked.redirect_uri,
            error=refused.text,
            name=credentials_of(form or {}).name,
            changes=refused.changes,
        )
        page.status_code = refused.status
        if refused.seconds:
            page.headers["retry-after"] = str(int(refused.seconds) + 1)
        return _with_cookies(page, answer)


def routes(endpoint: LoginEndpoint, send_back: SendBack) -> APIRouter:
    router = APIRouter(prefix="/auth", tags=["login"], include_in_schema=False)
    for method, path, handler in (
        ("GET", "/authorize", endpoint.authorize),
        ("POST", "/login", endpoint.login),
        ("GET", "/logout", endpoint.ask_logout),
        ("POST", "/logout", endpoint.logout),
    ):
        router.add_api_route(path, shown(handler, send_back.refused), methods=[method], response_class=Response)
    return router


def _caller(request: Request, asked: AuthorizationRequest | None, account: Account | None) -> Caller:
    """Who tried, for the audit: of a wrong password too, whose it was."""
    nobody = caller_of(None, request_id_of(request.scope["headers"]))
    known = msgspec.structs.replace(nobody, client=asked.client.client_id if asked else "")
    if account is None:
        return known
    return msgspec.structs.replace(known, organization=account.organization, practitioner=account.person)


def _with_cookies(page: Response, answer: Response) -> Response:
    page.raw_headers.extend(field for field in answer.raw_headers if field[0] == b"set-cookie")
    return page
