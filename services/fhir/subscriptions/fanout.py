"""From the outbox to numbered events: each committed version once, for everyone who asked for such and may know of it (docs/adr/0030).

One transaction reads a batch, numbers it and notes how far it has read, so a kill anywhere leaves all of it or nothing. Subscriptions
themselves come by the same stream: one counts from its own place in it, so no change before or behind that place is in doubt.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access, access_of
from services.fhir.access.limits import limits_of
from services.fhir.scopes import READ
from services.fhir.search.holding import Held
from services.fhir.service import Service
from services.fhir.store import outbox, subscribers, subscription_events
from services.fhir.store.outbox import Change
from services.fhir.store.read import versions
from services.fhir.store.reindex import parsed
from services.fhir.store.subscribers import Subscriber
from services.fhir.subscriptions.admission import reading_of
from services.fhir.subscriptions.filters import UNWATCHED, values_of
from services.fhir.subscriptions.known import Known

Key = tuple[str, str, int]
Found = list[tuple[Subscriber, list[Change]]]

READER: Final = "subscriptions"
_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAUSES: Final = 400
_SUBSCRIPTION: Final = "Subscription"


class Fanout:
    def __init__(self, service: Service, known: Known) -> None:
        self._service = service
        self._known = known
        self.types: frozenset[str] | None = None
        """What anybody waits for, None where it is to be found out."""

    async def work(self) -> int | None:
        """Read one batch; how much there was, None while another process reads."""
        async with self._service.stores.database.connection() as connection:
            if not await outbox.has_news(connection, READER, self.types):
                return 0
            until = await outbox.settled(connection, _PAUSES)
            if until is None:
                return 0  # a long commit is under way: what it writes comes first
            async with connection.transaction():
                place = await outbox.place_of(connection, READER)
                if place is None:
                    return None
                there = await self._active(connection)
                types = frozenset({_SUBSCRIPTION, *self._types(there)})
                found, place = await outbox.read_on(connection, place, until, types)
                changes = _together(found)
                if changes and changes[0].type == _SUBSCRIPTION:
                    await self._tell(connection, changes[0])
                elif not changes or not await self._number(connection, there, changes):
                    await connection.execute(outbox.MAY_BE_FORGOTTEN)
                await outbox.advance(connection, READER, place if len(changes) == len(found) else changes[-1].place)
        self.types = types if all(each.type != _SUBSCRIPTION for each in changes) else None
        return len(changes)

    async def _tell(self, connection: Any, change: Change) -> None:
        """A Subscription has changed: what comes behind it in the stream is for what it asks now."""
        found = (await subscribers.find(connection, [change.id])).get(change.id)
        if found is None or change.version <= found.version:
            return
        stored = (await versions(connection, [change.key])).get(change.key)
        status = parsed(stored.body).get("status", "error") if stored and stored.body else "off"
        told, anew = _standing(found, status, change.version)
        await subscribers.tell(connection, told, anew=anew)
        if told.state == "off":
            await subscription_events.bury(connection, told, timedelta(0))

    async def _number(self, connection: Any, there: Sequence[Subscriber], changes: Sequence[Change]) -> bool:
        """Number what each subscriber asked for and may know of; whether there was any."""
        found = self._wanted(there, await self._values(connection, changes), changes)
        reach = await self._reach(connection, found)
        numbered = False
        for subscriber, asked in found:
            told = [each for each in asked if each.key in reach[self._access(subscriber)]]
            if told:
                await subscription_events.number(connection, subscriber, subscriber.events + 1, told)
                numbered = True
        return numbered

    async def _active(self, connection: Any) -> list[Subscriber]:
        """A client that is disabled is told nothing. What each asks for is known then."""
        there = await subscribers.activated(connection)
        if not there:
            return []
        disabled = await subscribers.disabled(connection, [each.caller.client for each in there])
        there = [each for each in there if each.caller.client not in disabled]
        await self._known.fetch(connection, there)
        return there

    def _types(self, there: Sequence[Subscriber]) -> set[str]:
        """What anybody asks for."""
        return {kind for each in there if (wanted := self._known.of(each)) for kind in wanted.types} - UNWATCHED

    async def _values(self, connection: Any, changes: Sequence[Change]) -> dict[Key, Held]:
        """What each change is held against filters by: of a deletion the values of the version before."""
        looked_at = {change.key: _looked_at(change) for change in changes}
        found = await versions(connection, dict.fromkeys(looked_at.values()))
        reading, opened = reading_of(self._service), self._service.stores.opened
        return {
            key: values_of(parsed(body), reading)
            for key, other in looked_at.items()
            if other in found and (body := opened(found[other]).body)
        }

    def _wanted(self, there: Sequence[Subscriber], values: Mapping[Key, Held], changes: Sequence[Change]) -> Found:
        found: Found = []
        for each in sorted(there, key=lambda s: s.id):
            wanted = self._known.of(each)
            asked = [c for c in changes if c.key in values and wanted and wanted.wants(c.type, values[c.key])]
            if limits := self._access(each).limits:
                asked = [c for c in asked if limits.admits_held(c.type, READ, values[c.key])]
            if asked:
                found.append((each, asked))
        return found

    async def _reach(self, connection: Any, found: Found) -> dict[Access, set[Key]]:
        """What of it may be known to whom: asked once for all subscriptions of the same access."""
        asked: dict[Access, dict[Key, Change]] = defaultdict(dict)
        for subscriber, changes in found:
            asked[self._access(subscriber)] |= {each.key: each for each in changes}
        now = self._service.clock.now()
        return {
            access: await subscription_events.in_reach(
                connection, some.values(), msgspec.structs.replace(access, at=now)
            )
            for access, some in asked.items()
        }

    def _access(self, subscriber: Subscriber) -> Access:
        return access_for(subscriber, self._service)


def access_for(subscriber: Subscriber, service: Service) -> Access:
    """What the subscriber may know, at any time."""
    cleared = service.clearances.get(subscriber.caller.organization, ())
    limits = limits_of(subscriber.caller.scopes, service.base, service.zone)
    return access_of(subscriber.caller, _ANY_TIME, cleared, limits)


def _together(changes: list[Change]) -> list[Change]:
    """A change of a Subscription alone, or all before the next such."""
    if changes and changes[0].type == _SUBSCRIPTION:
        return changes[:1]
    first = next((n for n, each in enumerate(changes) if each.type == _SUBSCRIPTION), len(changes))
    return changes[:first]


def _looked_at(change: Change) -> Key:
    return (change.type, change.id, change.version - 1) if change.method == "DELETE" else change.key


def _standing(found: Subscriber, status: str, version: int) -> tuple[Subscriber, bool]:
    """From the status that stands in the stream to what the notifier does, and whether it begins anew."""
    replace = msgspec.structs.replace
    match status:
        case "requested":
            return replace(found, state="handshake", version=version), True
        case "active":
            return replace(found, state="live", version=version, activated=True), found.state != "live"
        case "off":
            return replace(found, state="off", version=version, activated=False), True
        case _:
            return replace(found, version=version), False
