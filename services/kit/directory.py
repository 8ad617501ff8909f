"""The directory: which peer serves which type, learned from the peers themselves and never configured."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from services.kit.logging import log
from services.kit.transport import PeerAnswer, PeerUnavailable

SERVED = "/internal/served"
REFRESH_SECONDS = 60.0
RETRY_SECONDS = 1.0
ANSWER_SECONDS = 1.5

Served = dict[str, Any]  # at least {"type": …}; the rest is between those who write and read it
Ask = Callable[[str, str, str], Awaitable[PeerAnswer]]
T = TypeVar("T")


class _Typed(msgspec.Struct):
    type: str


class Directory:
    """Type → service, with everything else that a service says about its types; peers may start in any order."""

    def __init__(self, services: Iterable[str], ask: Ask) -> None:
        self._services = tuple(services)
        self._ask = ask
        self._served: dict[str, list[Served]] = {}
        self._owners: dict[str, str] = {}
        self._read: dict[Callable[[Served], Any], dict[str, Any]] = {}
        self._asked = -REFRESH_SECONDS
        self._lock = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None

    async def owner(self, type_name: str) -> str | None:
        """Return the service that serves a type, None when no peer does; PeerUnavailable while one was never heard."""
        service = self._owners.get(type_name)
        if service is None:
            await self._refresh(RETRY_SECONDS)
            service = self._owners.get(type_name)
            if service is None and (silent := self._silent()):
                raise PeerUnavailable(silent[0])
        elif time.monotonic() - self._asked > REFRESH_SECONDS and self._running is None:
            self._running = asyncio.create_task(self._refresh(REFRESH_SECONDS))
            self._running.add_done_callback(self._finished)
        return service

    async def served(self) -> dict[str, list[Served]]:
        """Return what each service says of its types; PeerUnavailable while one was never heard."""
        await self._refresh(RETRY_SECONDS if self._silent() else REFRESH_SECONDS)
        if silent := self._silent():
            raise PeerUnavailable(silent[0])
        return dict(self._served)

    async def each_type(self, read: Callable[[Served], T]) -> Mapping[str, T]:
        """What `read` makes of what is said of each type, by type: made once for all until the peers are asked again."""
        listed = await self.served()
        if read not in self._read:
            self._read[read] = {entry["type"]: read(entry) for served in listed.values() for entry in served}
        return self._read[read]

    def _silent(self) -> list[str]:
        return [service for service in self._services if service not in self._served]

    def _finished(self, _task: asyncio.Task[None]) -> None:
        self._running = None

    async def _refresh(self, not_within: float) -> None:
        async with self._lock:
            if time.monotonic() - self._asked < not_within:
                return
            await asyncio.gather(*map(self._learn, self._services))
            self._asked = time.monotonic()
            self._owners = self._assign()
            self._read = {}

    async def _learn(self, service: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._ask(service, "GET", SERVED)
            msgspec.json.decode(answer.body, type=list[_Typed])
        except (PeerUnavailable, TimeoutError, msgspec.DecodeError):
            log("directory.silent", service=service)
            return
        self._served[service] = msgspec.json.decode(answer.body)

    def _assign(self) -> dict[str, str]:
        owners: dict[str, str] = {}
        for service, served in self._served.items():
            for entry in served:
                if owners.setdefault(entry["type"], service) != service:
                    log("directory.conflict", service=service, type=entry["type"])
        return owners
