"""The gateway as the bridge meets it: `POST /v2` with the token of the client behind the connection: docs/v2.md"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import httpx

from gateway.backend_client import TokenError, fetch_token
from gateway.keys import KeyPair
from services.kit.logging import log
from services.kit.transport import OverHttp, PeerUnavailable

TOKEN_SECONDS: Final = 200  # of at most 300
PATIENCE_SECONDS: Final = 20.0
_PAUSE: Final = 0.5
_SCOPE: Final = "system/*.cruds"  # the gateway narrows it to what is registered
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_AGAIN: Final = frozenset({401, 429, 500, 502, 503, 504})
_HEADERS: Final = ((b"content-type", b"application/hl7-v2"),)


class UnansweredError(Exception):
    """Nobody knows whether the message was taken; its sender sends it again."""


class RefusedError(Exception):
    """The gateway does not take messages of this client."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Door:
    """`keys` are those of the clients; a token serves all connections of its client."""

    def __init__(self, base: str, keys: Callable[[str], KeyPair], patience: float = PATIENCE_SECONDS) -> None:
        self._base = base
        self._keys = keys
        self._patience = patience
        self._gateway = OverHttp("gateway", base.removesuffix("/fhir"), patience)
        self._http = httpx.AsyncClient(timeout=patience)
        self._tokens: dict[str, tuple[str, float]] = {}
        self._getting = asyncio.Lock()

    async def send(self, client: str, content: bytes) -> bytes:
        """The acknowledgement, however often the gateway has to be asked for it."""
        until = time.monotonic() + self._patience
        while True:
            status, answer = await self._once(client, content)
            if status == _OK:
                return answer
            if status == _UNAUTHORIZED:
                self._tokens.pop(client, None)
            elif status not in _AGAIN:
                raise RefusedError(status)
            log("mllp.waiting", client=client, status=status)
            if time.monotonic() > until:
                raise UnansweredError
            await asyncio.sleep(_PAUSE)

    async def _once(self, client: str, content: bytes) -> tuple[int, bytes]:
        try:
            token = await self._token(client)
            headers = (*_HEADERS, (b"authorization", f"Bearer {token}".encode()))
            answer = await self._gateway.call("POST", "/v2", headers, content)
        except (PeerUnavailable, httpx.HTTPError, ValueError):
            return 503, b""
        except TokenError:
            return _UNAUTHORIZED, b""
        return answer.status, answer.body

    async def _token(self, client: str) -> str:
        async with self._getting:
            text, since = self._tokens.get(client, ("", 0.0))
            if not text or time.monotonic() - since > TOKEN_SECONDS:
                keys = self._keys(client)
                granted = await fetch_token(
                    self._http, self._base, client, keys.kid, keys.private_key, _SCOPE, time.time()
                )
                text = str(granted["access_token"])
                self._tokens[client] = (text, time.monotonic())
            return text

    async def close(self) -> None:
        await self._http.aclose()
        await self._gateway.close()
