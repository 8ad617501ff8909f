"""One request with all that belongs to it: a token, and again where the server was busy or away (docs/client.md)."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx

from yiyang.client.failure import ClientError, Issue, failure_of
from yiyang.client.retrying import BUSY, Retry, is_under_way
from yiyang.client.tokens import Tokens

_UNAUTHORIZED: Final = 401
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
KEY: Final = "idempotency-key"


class Door:
    """All requests of one client go through it, and to no other place than its base."""

    def __init__(self, http: httpx.AsyncClient, base: str, tokens: Tokens, retry: Retry) -> None:
        self._http = http
        self._base = base
        self._tokens = tokens
        self._retry = retry

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        under_way: float | None = None,
    ) -> httpx.Response:
        """`path` is below the base, or a URL there. Raise ClientError for what was refused, or not answered in all attempts."""
        url, fields = self._url(path), dict(headers or {})
        may_repeat = method in _IDEMPOTENT or KEY in fields or path.endswith("/_search")
        patience = time.monotonic() + (self._retry.under_way if under_way is None else under_way)
        attempt = 0
        while True:
            answer, failure = await self._attempt(method, url, body, fields)
            if failure is None and answer is not None:
                return answer
            waits = answer is not None and is_under_way(answer) and time.monotonic() < patience
            attempt += 0 if waits else 1
            is_busy = answer is None or answer.status_code in BUSY
            if not may_repeat or not (waits or is_busy) or attempt >= self._retry.attempts:
                raise failure or ClientError(0)
            await asyncio.sleep(self._retry.pause(max(attempt - 1, 0), answer))

    async def _attempt(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[httpx.Response | None, ClientError | None]:
        """The answer, and what it or its absence means where that is a failure."""
        try:
            answer = await self._send(method, url, body, headers)
        except httpx.TransportError as error:
            return None, ClientError(0, (Issue("error", "transient", "服务没有响应", type(error).__name__),))
        return answer, None if answer.is_success else failure_of(answer)

    async def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """A token that was revoked meanwhile, or ended early, is replaced once."""
        token = await self._tokens.get()
        answer = await self._http.request(method, url, content=body or None, headers=_bearing(token, headers))
        if answer.status_code != _UNAUTHORIZED:
            return answer
        self._tokens.forget(token)
        token = await self._tokens.get()
        return await self._http.request(method, url, content=body or None, headers=_bearing(token, headers))

    def _url(self, path: str) -> str:
        """A token goes to its own server alone: of a link in an answer what stands behind the base counts, whatever name the server goes by."""
        if "://" not in path:
            return f"{self._base}/{path}" if path else self._base
        link, root = urlsplit(path), urlsplit(self._base).path
        if not link.path.startswith(f"{root}/"):
            raise ClientError(0, (Issue("error", "security", "链接指向其他服务器", "A link leads to another server"),))
        return f"{self._base}{link.path[len(root) :]}" + (f"?{link.query}" if link.query else "")


def _bearing(token: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {"accept": "application/fhir+json", **headers, "authorization": f"Bearer {token}"}
