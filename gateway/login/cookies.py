"""Two cookies: one that holds a login, one that shows that a form was filled in where it was sent (SameSite, HttpOnly).

https://www.rfc-editor.org/rfc/rfc6265 · https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import hmac
import secrets
from typing import Final

from fastapi import Request, Response

from gateway.seal import derived
from gateway.settings import GatewaySettings

_LOGIN: Final = "yiyang-login"
_FORM: Final = "yiyang-form"


class Cookies:
    def __init__(self, settings: GatewaySettings) -> None:
        self._front = settings.front
        self._is_secure = settings.front.startswith("https:")
        self._prefix = "__Host-" if self._is_secure else ""  # bound to this very host, by name
        self._seconds = settings.session_seconds
        self._keys = tuple(derived(key, "form") for key in settings.keys)

    def login(self, request: Request) -> str | None:
        return request.cookies.get(self._prefix + _LOGIN)

    def set_login(self, response: Response, value: str) -> None:
        self._set(response, _LOGIN, value, self._seconds)

    def drop_login(self, response: Response) -> None:
        self._set(response, _LOGIN, "", 0)

    def form_token(self, request: Request, response: Response) -> str:
        """Return what the form carries; the cookie that it goes with is set where there is none."""
        value = request.cookies.get(self._prefix + _FORM)
        if value is None:
            value = secrets.token_urlsafe(32)
            self._set(response, _FORM, value, None)
        return _token(self._keys[0], value)

    def is_own_form(self, request: Request, token: str) -> bool:
        """Tell whether a form was made here for this very browser, and sent from here."""
        if request.headers.get("origin", self._front) != self._front:
            return False
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        value = request.cookies.get(self._prefix + _FORM)
        return value is not None and any(hmac.compare_digest(_token(key, value), token) for key in self._keys)

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(
            self._prefix + name, value, seconds, path="/", secure=self._is_secure, httponly=True, samesite="strict"
        )


def _token(key: bytes, value: str) -> str:
    return hmac.digest(key, value.encode(), "sha256").hex()
