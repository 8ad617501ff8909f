"""A subscriber of the house's own: a service hears what was committed, of any owner, and sets timers of what follows (docs/adr/0040).

One in each process. One of them reads on at a time; the transaction that moves its place in the outbox sets the timers too, so each version counts
once. The process that read does at once what is due; when it dies, the clockwork of any other does it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from services.fhir.business import Heard, Hears, Wake
from services.fhir.clockwork import LEASE, Clockwork
from services.fhir.interactions.decide import Deciding
from services.fhir.service import Service
from services.fhir.store import outbox, timers
from services.fhir.store.outbox import Change
from services.fhir.store.read import versions
from services.fhir.store.reindex import parsed
from services.fhir.store.store import Store
from services.fhir.store.terms import Fired, Timer
from services.fhir.subscriptions.admission import reading_of
from services.fhir.subscriptions.filters import trigger_tests, values_of
from services.fhir.subscriptions.pace import rest_after
from services.fhir.subscriptions.topics import Topic
from services.kit.database import DatabaseUnavailable, is_of_database
from services.kit.logging import log_failure
from services.kit.metrics import Gauge
from services.kit.peers import PeerUnavailable

_PAUSES: Final = 40
"""Five milliseconds each: no longer is a connection held for a commit that takes its time."""
_REST: Final = timedelta(seconds=0.02)
_PATIENCE: Final = 0.1
LANES: Final = 4
"""As many effects are under way at the same time in one process."""
_MOST: Final = 200
"""Effects that wait in one process before it reads on."""


class Listener:
    def __init__(self, service: Service, topic: Topic, hears: Hears, clockwork: Clockwork) -> None:
        self._service = service.as_platform()
        self._topic = topic
        self._tests = trigger_tests(topic, reading_of(service))
        self._hears = hears
        self._clockwork = clockwork
        self._reader = f"{service.name} {topic.name}"
        self._committed = service.stores.bell.ear()
        self._committed.only_for(self._tests)
        self._lanes = asyncio.Semaphore(LANES)
        self._effects: set[asyncio.Task[None]] = set()
        self._has_begun = False
        self._passed_over = Counter[str]()

    async def forever(self) -> None:
        try:
            while True:
                heard = await self._attempt()
                await asyncio.sleep(rest_after(heard, _REST).total_seconds())
                if not heard:
                    await self._committed.listen(_PATIENCE)
        finally:
            for effect in self._effects:
                effect.cancel()

    async def settle(self) -> None:
        """Hear all that was committed, and do what follows, for tests."""
        while await self.work() or self._effects:
            await asyncio.gather(*self._effects)

    async def work(self) -> int | None:
        """Hear one batch; how much there was, None while another process listens."""
        async with self._service.stores.database.connection() as connection:
            if not self._has_begun:
                await outbox.begin(connection, self._reader)
                self._has_begun = True
            if not await outbox.has_news(connection, self._reader, self._tests):
                return 0
            until = await outbox.settled(connection, _PAUSES)
            if until is None:
                return 0  # a long commit is under way: what it writes comes first
            async with connection.transaction():
                place = await outbox.place_of(connection, self._reader)
                if place is None:
                    return None
                changes, place = await outbox.read_on(connection, place, until, self._tests)
                fired = await self._woken(connection, await self._follows(connection, changes) if changes else ())
                await outbox.advance(connection, self._reader, place)
        for each in fired:
            effect = asyncio.create_task(self._do(each))
            self._effects.add(effect)
            effect.add_done_callback(self._effects.discard)
        while len(self._effects) > _MOST:
            await asyncio.wait(self._effects, return_when=asyncio.FIRST_COMPLETED)
        return len(changes)

    async def _attempt(self) -> int | None:
        try:
            return await self.work()
        except (DatabaseUnavailable, PeerUnavailable):
            return None
        except Exception as error:  # noqa: BLE001 - nothing was moved: it is heard again
            log_failure("listener.failed", error, service=self._service.name)
            return None

    async def _follows(self, connection: Any, changes: Sequence[Change]) -> list[Wake]:
        heard = await self._heard(connection, changes)
        if not heard:
            return []
        try:
            return await self._asked(connection, heard)
        except Exception as error:
            if isinstance(error, PeerUnavailable) or is_of_database(error):
                raise
            return [wake for each in heard for wake in await self._one(connection, each)]

    async def _one(self, connection: Any, heard: Heard) -> Sequence[Wake]:
        """One that can't be understood holds up no other: it is told, counted, and passed."""
        try:
            return await self._asked(connection, [heard])
        except Exception as error:
            if isinstance(error, PeerUnavailable) or is_of_database(error):
                raise
            self._pass_over(heard.type, error)
            return ()

    async def _asked(self, connection: Any, heard: Sequence[Heard]) -> list[Wake]:
        """A statement that fails undoes no more than what was asked for these."""
        async with connection.transaction():
            context = Deciding(Store(connection, self._service.stores), self._service)
            return [*await self._hears(heard, context)]

    def _pass_over(self, resource_type: str, error: Exception) -> None:
        log_failure("listener.passed-over", error, service=self._service.name, type=resource_type)
        self._passed_over[resource_type] += 1

    async def figures(self) -> Iterable[Gauge]:
        """For the metrics of this process."""
        about = "Committed versions that the listener could not understand and passed over, since the process began"
        return [Gauge("yiyang_listener_passed_over", about, "type", self._passed_over)]

    async def _heard(self, connection: Any, changes: Sequence[Change]) -> list[Heard]:
        """As it was committed, where the topic means it."""
        found = await versions(connection, [each.key for each in changes])
        opened, heard = self._service.stores.opened, []
        for each in changes:
            stored = found.get(each.key)
            body = opened(stored).body if stored else None
            try:
                resource = parsed(body) if body else None
                is_meant = self._is_meant(each, resource)
            except Exception as error:  # noqa: BLE001 - nothing is asked of the database here
                self._pass_over(each.type, error)
                continue
            if is_meant:
                heard.append(Heard(each.type, each.id, each.version, each.patient, resource))
        return heard

    def _is_meant(self, change: Change, resource: Any) -> bool:
        tests = self._tests[change.type]
        if not tests:
            return True
        if resource is None:
            return False
        values = values_of(resource, reading_of(self._service))
        return all(test.holds(values) for test in tests)

    async def _woken(self, connection: Any, wakes: Sequence[Wake]) -> list[Fired]:
        if not wakes:
            await connection.execute(outbox.MAY_BE_FORGOTTEN)
            return []
        name, now = self._service.name, self._service.clock.now()
        later = [(each.holder, Timer(each.act, each.due)) for each in wakes if each.due is not None]
        await timers.set_once(connection, name, later)
        at_once = [(each.holder, each.act) for each in wakes if each.due is None]
        return await timers.wake(connection, name, at_once, now, LEASE)

    async def _do(self, fired: Fired) -> None:
        async with self._lanes:
            with suppress(DatabaseUnavailable, PeerUnavailable):  # the clockwork finds it when its lease is over
                await self._clockwork.attempt(fired)
