"""One request with all that belongs to it: a token, and again where the server was busy or away (docs/client.md)."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx

from yiyang.client.failure import ClientError, Issue, failure_of
from yiyang.client.retrying import Retry, is_to_be_repeated
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
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """`path` is below the base, or a URL there. Raise ClientError for what was refused, or not answered in all attempts."""
        url, fields = self._url(path), dict(headers or {})
        may_repeat = method in _IDEMPOTENT or KEY in fields or path.endswith("/_search")
        failure = ClientError(0)
        for attempt in range(self._retry.attempts if may_repeat else 1):
            answer = None
            try:
                answer = await self._send(method, url, body, fields)
                if answer.is_success:
                    return answer
                failure = failure_of(answer)
                if not is_to_be_repeated(answer):
                    raise failure
            except httpx.TransportError as error:
                failure = ClientError(0, (Issue("error", "transient", "服务没有响应", type(error).__name__),))
            if attempt + 1 < self._retry.attempts:
                await asyncio.sleep(self._retry.pause(attempt, answer))
        raise failure

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
