"""Brings the county into a running server: every institution writes its own, several transactions at a time.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import httpx
import msgspec

from gateway.backend_client import TokenError, fetch_token
from yiyang.command import CommandError
from yiyang.story.elements import Json
from yiyang.story.stage import FHIR_JSON, Credentials

SCOPES: Final = "system/*.crus"
AT_ONCE: Final = 4
TRIES: Final = 5
TOKEN_SECONDS: Final = 200  # of at most 300
_AGAIN: Final = frozenset({409, 429, 502, 503})
_UNAUTHORIZED: Final = 401


class Loader:
    """`credentials` registers an institution's client where it is not yet."""

    def __init__(self, http: httpx.AsyncClient, base: str, credentials: Callable[[str], Credentials]) -> None:
        self._http = http
        self._base = base
        self._credentials = credentials
        self._tokens: dict[str, tuple[str, float]] = {}
        self._getting = asyncio.Lock()

    async def send_all(self, bundles: Iterable[tuple[str, Json]], told: Callable[[int], None]) -> None:
        """(institution, transaction); a few at a time, whichever is done first."""
        waiting = iter(bundles)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self._work(waiting, told))
        except* CommandError as failed:
            raise failed.exceptions[0] from failed

    async def _work(self, waiting: Iterable[tuple[str, Json]], told: Callable[[int], None]) -> None:
        for institution, bundle in waiting:
            await self._send(institution, bundle)
            told(len(bundle["entry"]))

    async def _send(self, institution: str, bundle: Json) -> None:
        body = msgspec.json.encode(bundle)
        async for _ in _tries():
            token = await self._token(institution)
            headers = {"authorization": f"Bearer {token}", "content-type": FHIR_JSON, "prefer": "return=minimal"}
            try:
                answer = await self._http.post(self._base, content=body, headers=headers)
            except httpx.TransportError:
                continue
            if answer.is_success:
                return
            if answer.status_code == _UNAUTHORIZED:
                self._tokens.pop(institution, None)
            elif answer.status_code not in _AGAIN:
                raise CommandError("服务拒绝写入", f"{answer.status_code}: {answer.text[:500]}")
        raise CommandError("服务多次未能写入", f"the server did not take a transaction of {institution}")

    async def _token(self, institution: str) -> str:
        async with self._getting:
            text, since = self._tokens.get(institution, ("", 0.0))
            if time.monotonic() - since > TOKEN_SECONDS or not text:
                client_id, keys = await asyncio.to_thread(self._credentials, institution)
                try:
                    granted = await fetch_token(
                        self._http, self._base, client_id, keys.kid, keys.private_key, SCOPES, time.time()
                    )
                except (TokenError, httpx.HTTPError) as error:
                    raise CommandError("未能取得令牌", f"the server gave no token: {error}") from error
                text = str(granted["access_token"])
                self._tokens[institution] = (text, time.monotonic())
            return text


async def _tries() -> AsyncIterator[int]:
    for n in range(TRIES):
        if n:
            await asyncio.sleep(0.2 * 2**n)
        yield n
