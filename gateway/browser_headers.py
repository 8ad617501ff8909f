"""What browsers are told: nothing is to be framed, sniffed, cached or sent elsewhere; other origins only where a setting names them.

https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers · https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from gateway.settings import FHIR_PATH, GatewaySettings

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Any, Send], Awaitable[None]]
Fields = list[tuple[bytes, bytes]]

_ALWAYS: Final[Fields] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
_UNLESS_SET: Final[Fields] = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_OWN: Final = frozenset(name for name, _ in _UNLESS_SET)
_HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
# No credentials: a cookie never crosses, a bearer token is sent by whoever has it.
_SHARED: Final = (FHIR_PATH, "/auth/token", "/auth/revoke", "/auth/jwks", "/.well-known/")
_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_ASKED: Final = (
    b"Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, "
    b"Prefer, X-Purpose, X-Request-Id"
)
_TOLD: Final = b"Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Request-Id"


class BrowserHeaders:
    """Around the whole app, so that no answer leaves without them."""

    def __init__(self, app: App, settings: GatewaySettings) -> None:
        self._app = app
        self._always = [*_ALWAYS, _HTTPS_ONLY] if settings.front.startswith("https:") else _ALWAYS
        self._origins = frozenset(origin.encode() for origin in settings.cors_origins)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._always
        if self._origins and (origin := self._shared_with(scope)):
            added = [*added, (b"access-control-allow-origin", origin), (b"vary", b"Origin")]
            if scope["method"] == "OPTIONS":
                await send({"type": "http.response.start", "status": 204, "headers": [*added, *_preflight()]})
                await send({"type": "http.response.body", "body": b""})
                return
            added.append((b"access-control-expose-headers", _TOLD))

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                own = {name for name, _ in headers if name in _OWN}
                message["headers"] = [*headers, *added, *(field for field in _UNLESS_SET if field[0] not in own)]
            await send(message)

        await self._app(scope, receive, send_with)

    def _shared_with(self, scope: MutableMapping[str, Any]) -> bytes | None:
        """The origin that asks, where it is one of those that may."""
        if not scope["path"].startswith(_SHARED):
            return None
        return next((value for name, value in scope["headers"] if name == b"origin" and value in self._origins), None)


def _preflight() -> Fields:
    return [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _ASKED),
        (b"access-control-max-age", b"600"),
    ]
