"""The worker of the owner of Subscription: reads the outbox, and has every subscription served that is due (docs/adr/0030).

One in each process. Any number of them share the work; a kill of any loses nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from services.fhir.service import Service
from services.fhir.store import subscribers, subscription_events
from services.fhir.subscriptions.courier import Courier
from services.fhir.subscriptions.fanout import Fanout
from services.fhir.subscriptions.known import Known
from services.fhir.subscriptions.pace import Pace, rest_after
from services.kit.bell import Bell
from services.kit.database import DatabaseUnavailable
from services.kit.ids import uuid7
from services.kit.logging import log_failure

T = TypeVar("T")

LANES: Final = 16
"""As many subscriptions are served at the same time by one process."""
_FORGET_SECONDS: Final = 600.0


class Notifier:
    def __init__(self, service: Service, bell: Bell, pace: Pace) -> None:
        known = Known(service)
        self.service = service
        self._pace = pace
        self._fanout = Fanout(service, known)
        self._courier = Courier(service, known, pace, uuid7())
        self._committed = bell.ear()
        self._own = Bell()
        self._numbered = self._own.ear()
        self._lanes: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def forever(self) -> None:
        """Until it is cancelled; leases in hand are then given back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read())
                group.create_task(self._serve())
                group.create_task(self._forget())
        finally:
            for lane in self._lanes.values():
                lane.cancel()
            await asyncio.gather(*self._lanes.values(), return_exceptions=True)
            await self.service.outbound.close()

    async def settle(self) -> None:
        """Do all that is due now, for tests: read the outbox to its end and serve everyone, until nothing is left."""
        while await self._fanout.work() or await self._start_lanes():
            await asyncio.gather(*self._lanes.values())

    async def _read(self) -> None:
        while True:
            read = await self._attempt(self._fanout.work)
            self._committed.only_for(self._fanout.types)
            if read:
                self._own.ring()
            await asyncio.sleep(rest_after(read, self._pace.rest).total_seconds())
            if not read:
                await self._committed.listen(self._pace.patience.total_seconds())

    async def _serve(self) -> None:
        while True:
            await self._attempt(self._start_lanes)
            await self._numbered.listen(self._pace.patience.total_seconds())

    async def _forget(self) -> None:
        while True:
            await self._attempt(self._forget_settled)
            await asyncio.sleep(_FORGET_SECONDS)

    async def _start_lanes(self) -> int:
        """How many were started."""
        free = LANES - len(self._lanes)
        if free <= 0:
            return 0
        async with self.service.stores.database.connection() as connection:
            waiting = [who for who in await subscribers.due(connection, LANES) if who not in self._lanes][:free]
        for who in waiting:
            self._lanes[who] = asyncio.create_task(self._lane(who))
        return len(waiting)

    async def _lane(self, who: tuple[str, int]) -> None:
        try:
            await self._attempt(lambda: self._courier.serve(who))
        finally:
            del self._lanes[who]
            self._own.ring()

    async def _forget_settled(self) -> int:
        async with self.service.stores.database.connection() as connection:
            return await subscription_events.forget(connection, self._pace.keep)

    async def _attempt(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """What fails is tried again a little later, by whoever comes first."""
        with suppress(DatabaseUnavailable):
            try:
                return await work()
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - undone in the database; the lease runs out
                log_failure("notifier.failed", error, service=self.service.name)
        return None
