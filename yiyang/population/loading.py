"""Brings the county into a running server: every institution writes its own, several transactions at a time.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
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
        self.base = base
        self._credentials = credentials
        self._tokens: dict[str, tuple[str, float]] = {}
        self._getting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

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
        await self.post(institution, "", bundle, prefer="return=minimal")

    async def has(self, institution: str, name: str) -> bool:
        """Is a resource there, for this institution?"""
        answer = await self._asked(institution, "GET", name, b"", {})
        return answer.status_code == httpx.codes.OK

    async def post(self, institution: str, path: str, resource: Json, **headers: str) -> Json:
        """As the institution, below the base; what the server says. CommandError for a refusal."""
        answer = await self._asked(institution, "POST", path, msgspec.json.encode(resource), headers)
        if not answer.is_success:
            raise CommandError("服务拒绝写入", f"{answer.status_code}: {answer.text[:500]}")
        found: Json = answer.json()
        return found

    async def _asked(
        self, institution: str, method: str, path: str, body: bytes, more: Mapping[str, str]
    ) -> httpx.Response:
        url = f"{self.base}/{path}" if path else self.base
        async for _ in _tries():
            token = await self._token(institution)
            headers = {"authorization": f"Bearer {token}", "content-type": FHIR_JSON, **more}
            try:
                answer = await self._http.request(method, url, content=body, headers=headers)
            except httpx.TransportError:
                continue
            if answer.status_code == _UNAUTHORIZED:
                self._tokens.pop(institution, None)
            elif answer.status_code not in _AGAIN:
                return answer
        raise CommandError("服务多次未能写入", f"the server did not take what {institution} sent")

    async def _token(self, institution: str) -> str:
        async with self._getting[institution]:
            text, since = self._tokens.get(institution, ("", 0.0))
            if time.monotonic() - since > TOKEN_SECONDS or not text:
                client_id, keys = await asyncio.to_thread(self._credentials, institution)
                try:
                    granted = await fetch_token(
                        self._http, self.base, client_id, keys.kid, keys.private_key, SCOPES, time.time()
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
