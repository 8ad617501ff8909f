"""Who asks: a bearer token becomes a Session (RFC 6750).

https://www.rfc-editor.org/rfc/rfc6750
"""

import hashlib
from collections.abc import Awaitable, Callable

from gateway.registry import Revocations
from gateway.session import Session
from gateway.tokens import TokenRefusedError
from services.fhir.outcomes import FhirError, bad_request, unauthorized
from services.kit.clock import Clock
from services.kit.logging import log

MAX_SESSIONS = 10_000
ReadToken = Callable[[str], Awaitable[Session]]
_NO_TOKEN = {"WWW-Authenticate": 'Bearer realm="yiyang"'}
_BAD_TOKEN = {"WWW-Authenticate": 'Bearer realm="yiyang", error="invalid_token"'}


class Authenticate:
    """Verified tokens are remembered by the SHA-256 of the whole token; expiry and revocation are asked each time."""

    def __init__(self, read_token: ReadToken, revocations: Revocations, clock: Clock) -> None:
        self._read_token = read_token
        self._revocations = revocations
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    async def __call__(self, headers: list[tuple[bytes, bytes]], query: bytes) -> Session:
        """Return the session of the one bearer token in the headers, or raise 401 (400 for a token in the URL)."""
        token = _bearer_token(headers, query)
        key = hashlib.sha256(token).digest()
        session = self._sessions.get(key) or await self._read(key, token)
        if self._clock.seconds() >= session.expires_at:
            self._sessions.pop(key, None)
            raise _refused("The access token has expired", "expired", session)
        if await self._revocations.is_void(session):
            self._sessions.pop(key, None)
            raise _refused("The access token has been revoked", "revoked", session)
        return session

    async def _read(self, key: bytes, token: bytes) -> Session:
        try:
            session = await self._read_token(token.decode("ascii", "replace"))
        except TokenRefusedError as error:
            raise _refused(str(error).capitalize(), "invalid") from error
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[key] = session
        return session


def _bearer_token(headers: list[tuple[bytes, bytes]], query: bytes) -> bytes:
    if b"access_token" in query:
        raise bad_request(
            "A token in the URL is not taken, and is to be considered lost: send it in Authorization",
            text="令牌不得放在网址中，请使用 Authorization 请求头并更换令牌",
            code="security",
        )
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise unauthorized("Authorization: Bearer is missing", headers=_NO_TOKEN)
    scheme, _, token = values[0].partition(b" ")
    if len(values) > 1 or scheme.lower() != b"bearer" or not token:
        raise unauthorized("Authorization must hold one bearer token", headers=_BAD_TOKEN)
    return token


def _refused(diagnostics: str, reason: str, session: Session | None = None) -> FhirError:
    log("token.refused", reason=reason, client=session.client if session else "")
    return unauthorized(diagnostics, headers=_BAD_TOKEN)
