"""Brings the county into a running server: every institution writes its own, several transactions at a time (docs/client.md)."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

import httpx

from yiyang.client import Client, ClientError, Retry
from yiyang.client import Credentials as Access
from yiyang.command import CommandError
from yiyang.story.elements import Json
from yiyang.story.stage import Credentials

SCOPES: Final = "system/*.crus"
AT_ONCE: Final = 4
_NOT_FOUND: Final = 404
_RETRY: Final = Retry(attempts=5, first=0.4)


class Loader:
    """`credentials` registers an institution's client where it is not yet."""

    def __init__(self, http: httpx.AsyncClient, base: str, credentials: Callable[[str], Credentials]) -> None:
        self._http = http
        self.base = base
        self._credentials = credentials
        self._clients: dict[str, Client] = {}
        self._registering: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

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
            await self.transact(institution, bundle)
            told(len(bundle["entry"]))

    async def has(self, institution: str, patient: str) -> bool:
        """Is the patient there, for this institution?"""
        try:
            await (await self._client(institution)).read("Patient", patient)
        except ClientError as error:
            if error.status == _NOT_FOUND:
                return False
            raise CommandError("服务拒绝读取", str(error)) from error
        return True

    async def transact(self, institution: str, bundle: Json) -> None:
        """As the institution. CommandError for a refusal."""
        try:
            await (await self._client(institution)).transaction(bundle, minimal=True)
        except ClientError as error:
            raise CommandError("服务拒绝写入", str(error)) from error

    async def invoke(self, institution: str, operation: str, given: Json) -> Json:
        """The same of an operation, and what the server says."""
        try:
            return await (await self._client(institution)).invoke(operation, given)
        except ClientError as error:
            raise CommandError("服务拒绝办理", str(error)) from error

    async def _client(self, institution: str) -> Client:
        async with self._registering[institution]:
            if institution not in self._clients:
                client_id, keys = await asyncio.to_thread(self._credentials, institution)
                access = Access(client_id, keys.kid, keys.private_key, SCOPES)
                self._clients[institution] = Client(self.base, access, retry=_RETRY, http=self._http)
            return self._clients[institution]
