"""From numbered events to endpoints: at least once, in order per resource, by whichever process holds the lease (docs/adr/0030).

http://hl7.org/fhir/uv/subscriptions-backport/notifications.html
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.fhir.audit import row
from services.fhir.service import Service
from services.fhir.store import subscribers, subscription_events
from services.fhir.store.subscribers import Subscriber
from services.fhir.store.subscription_events import Event
from services.fhir.subscriptions.endpoint import Answer, call
from services.fhir.subscriptions.fanout import access_for
from services.fhir.subscriptions.known import Known
from services.fhir.subscriptions.notification import Kind, Status, notification
from services.fhir.subscriptions.pace import Pace, pause
from services.fhir.subscriptions.standing import set_status
from services.fhir.subscriptions.wanted import Wanted
from services.kit.logging import log

Json = dict[str, Any]

FAILURES_TO_TELL: Final = 3
"""As many in a row make an active subscription one in error."""
_AGAIN_SECONDS: Final = 1.0


class Courier:
    def __init__(self, service: Service, known: Known, pace: Pace, worker: str) -> None:
        self._service = service
        self._known = known
        self._pace = pace
        self._worker = worker

    async def serve(self, who: tuple[str, int]) -> None:
        """Take the lease and do what is due, until nothing is, the endpoint fails, or the lease is lost."""
        async with self._service.stores.database.connection() as connection:
            found = await subscribers.claim(connection, who, self._worker, self._pace.lease)
        try:
            while found is not None and await self._step(found):
                async with self._service.stores.database.connection() as connection:
                    found = await subscribers.renew(connection, found, self._worker, self._pace.lease)
        except asyncio.CancelledError:
            if found is not None:
                async with self._service.stores.database.connection() as connection:
                    await subscribers.give_back(connection, found, self._worker)
            raise

    async def _step(self, who: Subscriber) -> bool:
        """One call; whether more may be due."""
        async with self._service.stores.database.connection() as connection:
            await self._known.fetch(connection, [who])
            is_disabled = bool(await subscribers.disabled(connection, [who.caller.client]))
        wanted = self._known.of(who)
        if who.state not in ("handshake", "live") or wanted is None:
            return await self._rest(who, None)
        if is_disabled:
            return await self._turn_off(who, "the client that subscribed is disabled")
        if wanted.end is not None and wanted.end <= self._service.clock.now():
            return await self._turn_off(who, "the end of the subscription has come")
        if who.state == "handshake":
            return await self._shake_hands(who, wanted)
        events = await self._to_send(who, wanted)
        if events:
            return await self._notify(who, wanted, events)
        return await self._wait(who, wanted)

    # ---- handshake and heartbeat --------------------------------------------------------------------------------------------

    async def _shake_hands(self, who: Subscriber, wanted: Wanted) -> bool:
        answer = await self._send(who, wanted, "handshake", "requested")
        if answer.meaning != "taken":
            return await self._failed(who, answer)
        await self._succeeded(who)
        is_active = await set_status(self._service, who.id, "active", None, lambda now: _asks_the_same(now, wanted))
        log(
            "subscription.active",
            service=self._service.name,
            client=who.caller.client,
            organization=who.caller.organization,
        )
        return await self._rest(who, None if is_active else _AGAIN_SECONDS)

    async def _wait(self, who: Subscriber, wanted: Wanted) -> bool:
        """Until an event is tried again, the next heartbeat, or the end."""
        async with self._service.stores.database.connection() as connection:
            waits = [await subscription_events.seconds_to_next(connection, who)]
            since = await subscribers.since_sent(connection, who)
        if wanted.channel.heartbeat is not None:
            waits.append(wanted.channel.heartbeat - (since or 0.0))
            if waits[-1] is not None and waits[-1] <= 0:
                answer = await self._send(who, wanted, "heartbeat", _standing(who))
                return await (self._succeeded(who) if answer.meaning == "taken" else self._failed(who, answer))
        if wanted.end is not None:
            waits.append((wanted.end - self._service.clock.now()).total_seconds())
        return await self._rest(who, min((w for w in waits if w is not None), default=None))

    # ---- events -------------------------------------------------------------------------------------------------------------

    async def _to_send(self, who: Subscriber, wanted: Wanted) -> list[Event]:
        """What may still be known to the subscriber now; what may not is withheld for good."""
        most = 1 if who.failures else wanted.channel.most
        access = msgspec.structs.replace(access_for(who, self._service), at=self._service.clock.now())
        async with self._service.stores.database.connection() as connection:
            while events := await subscription_events.ready(connection, who, most):
                reach = await subscription_events.in_reach(connection, events, access)
                withheld = [each.number for each in events if each.key not in reach]
                if withheld:
                    await subscription_events.settle(connection, who, "withheld", withheld)
                if len(withheld) < len(events):
                    return [each for each in events if each.key in reach]
        return []

    async def _notify(self, who: Subscriber, wanted: Wanted, events: Sequence[Event]) -> bool:
        answer = await self._send(who, wanted, "event-notification", _standing(who), events)
        if answer.meaning != "taken":
            return await self._failed(who, answer, events[0])
        about = {each.patient for each in events}
        now = self._service.clock.now()
        await self._service.stores.audit_log.record(
            row(now, who.caller, "notify", 200, "Subscription", who.id, about=about)
        )
        async with self._service.stores.database.connection() as connection:
            await subscription_events.settle(connection, who, "delivered", [each.number for each in events])
        return await self._succeeded(who)

    async def _send(
        self, who: Subscriber, wanted: Wanted, kind: Kind, status: str, events: Sequence[Event] = ()
    ) -> Answer:
        is_open = wanted.channel.content == "id-only"
        stands = Status(who.id, status, who.events, wanted.topic.url if is_open else None)
        bundle = notification(self._service.base, stands, kind, self._service.clock.now(), events, with_focus=is_open)
        return await call(who, wanted.channel, bundle, self._service)

    # ---- what comes of it ---------------------------------------------------------------------------------------------------

    async def _succeeded(self, who: Subscriber) -> bool:
        async with self._service.stores.database.connection() as connection:
            await subscribers.succeeded(connection, who, self._worker)
        if who.failures >= FAILURES_TO_TELL and who.state == "live":
            await set_status(self._service, who.id, "active", None, lambda now: now["status"] == "error")
        return True

    async def _failed(self, who: Subscriber, answer: Answer, event: Event | None = None) -> bool:
        """The lease is given back until the pause is over. What was refused lets others pass; what is too old is dead."""
        wait = pause(who.failures, self._pace)
        async with self._service.stores.database.connection() as connection:
            if event is not None and answer.meaning == "refused":
                await subscription_events.postpone(connection, who, event.number, pause(event.attempts, self._pace))
            dead = await subscription_events.bury(connection, who, self._pace.give_up)
            failing = await subscribers.failed(connection, who, self._worker, wait)
        log(
            "subscription.failing",
            service=self._service.name,
            client=who.caller.client,
            organization=who.caller.organization,
            reason=answer.reason,
            count=dead,
        )
        if who.state == "handshake" and failing >= self._pace.give_up:
            await self._turn_off(who, answer.reason)
        elif who.state == "handshake" or who.failures + 1 >= FAILURES_TO_TELL:
            await set_status(
                self._service, who.id, "error", answer.reason, lambda now: now["status"] in ("requested", "active")
            )
        return False

    async def _turn_off(self, who: Subscriber, reason: str) -> bool:
        await set_status(self._service, who.id, "off", reason, lambda now: now["status"] != "off")
        return await self._rest(who, _AGAIN_SECONDS)

    async def _rest(self, who: Subscriber, seconds: float | None) -> bool:
        """Give the lease back; True where more was added meanwhile."""
        async with self._service.stores.database.connection() as connection:
            return not await subscribers.release(connection, who, self._worker, seconds)


def _standing(who: Subscriber) -> str:
    return "error" if who.failures >= FAILURES_TO_TELL else "active"


def _asks_the_same(now: Json, wanted: Wanted) -> bool:
    """The endpoint that took part in the handshake is the one that stands there now."""
    channel = now["channel"]
    return now["status"] in ("requested", "error") and channel["endpoint"] == wanted.channel.endpoint
