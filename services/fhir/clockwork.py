"""Does what is due by itself: whoever takes up a timer writes its effect, which uses the timer up (docs/adr/0027)."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import msgspec

from services.fhir import audit
from services.fhir.business import Intent, OnTimer
from services.fhir.interactions.commit import Finish, Written, carry_out
from services.fhir.interactions.decide import Deciding
from services.fhir.interactions.prepare import Prepared, prepare
from services.fhir.service import Service
from services.fhir.store import timers
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.fhir.store.terms import Fired, Terms, Timer, Timers, joined
from services.kit.background import keep_at
from services.kit.caller import Caller
from services.kit.database import DatabaseUnavailable
from services.kit.ids import uuid7
from services.kit.logging import log_failure
from services.kit.peers import PeerUnavailable

POLL_SECONDS: Final = 1.0
LEASE: Final = timedelta(seconds=10)
"""How long an effect may take before another worker tries it; twice as long after each attempt, up to an hour."""

CLOCK: Final = Caller("yiyang-clock", "", None, (), "HOPERAT", "", "")
"""The platform itself: no token names it, and no request comes from it."""


def is_clock(caller: Caller) -> bool:
    """All of it: a client may be called what it likes."""
    return msgspec.structs.replace(caller, request_id="") == CLOCK


class Clockwork:
    """One per process and service. `work` is all that `forever` does once a second."""

    def __init__(self, service: Service, on_timer: OnTimer) -> None:
        self._service = service
        self._on_timer = on_timer

    async def forever(self) -> None:
        await keep_at(self.work, POLL_SECONDS, "timer.failed", service=self._service.name)

    async def work(self) -> bool:
        """Take up some of what is due and do it; whether there was any. What fails is left for later and stops no other."""
        now, name = self._service.clock.now(), self._service.name
        async with self._service.stores.database.connection() as connection:
            taken = await timers.take_up(connection, name, now, LEASE)
        for fired in taken:
            await self.attempt(fired)
        return bool(taken)

    async def attempt(self, fired: Fired) -> None:
        """The effect where the timer is still there; what fails is left for later."""
        try:
            await self.fire(fired)
        except timers.UsedUpError:
            pass  # somebody was faster, or has set other timers
        except (DatabaseUnavailable, PeerUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - it is tried again after a growing pause
            log_failure("timer.failed", error, service=self._service.name)

    async def fire(self, fired: Fired) -> None:
        """The effect of one timer: an ordinary write through the business, as the platform."""
        caller = msgspec.structs.replace(CLOCK, request_id=uuid7())
        service = self._service.seen_by(caller).as_platform()
        await carry_out(partial(self._effect, fired, service), service)

    async def _effect(self, fired: Fired, service: Service, store: Store) -> tuple[Prepared, Finish[None]]:
        found = await self._on_timer(fired.holder, fired.act, Deciding(store, service))
        intents = [each for each in found if isinstance(each, Intent)]
        prepared = await prepare(dict(enumerate(intents)), store, service)
        own = Terms(fired=fired, timers=_again(fired, found, service.name))
        whole = msgspec.structs.replace(prepared, terms=joined((prepared.terms, own)))
        return whole, lambda store, written: _remember(store, written, service)


def _again(fired: Fired, found: Sequence[Intent | Timer], service: str) -> tuple[Timers, ...]:
    timers = tuple(each for each in found if isinstance(each, Timer))
    return (Timers(service, fired.holder, timers),) if timers else ()


def _remember(store: Store, written: Written, service: Service) -> None:
    for stored in filter(None, written.values()):
        interaction, status = _said(stored)
        now = service.clock.now()
        store.audit(audit.row(now, service.caller, interaction, status, stored.type, stored.id, of=stored))


def _said(stored: Stored) -> tuple[str, int]:
    if stored.is_deleted:
        return "delete", 204
    return ("create", 201) if stored.is_created else ("update", 200)
