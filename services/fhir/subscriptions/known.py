"""The subscriptions that count, each in the version that the outbox told of, read once: docs/adr/0030"""

from typing import Any, Final

from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.fhir.store.read import versions
from services.fhir.store.reindex import parsed
from services.fhir.store.subscribers import Subscriber
from services.fhir.subscriptions.admission import reading_of
from services.fhir.subscriptions.wanted import Wanted, read_wanted

_MOST: Final = 10_000


class Known:
    """What each asks for, None for one that this server no longer understands."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wanted: dict[tuple[str, int], Wanted | None] = {}

    async def fetch(self, connection: Any, subscribers: list[Subscriber]) -> None:
        lacking = [s for s in subscribers if (s.id, s.version) not in self._wanted]
        if not lacking:
            return
        if len(self._wanted) > _MOST:
            self._wanted.clear()
        found = await versions(connection, [("Subscription", s.id, s.version) for s in lacking])
        for each in lacking:
            stored = found.get(("Subscription", each.id, each.version))
            self._wanted[each.id, each.version] = self._read(stored.body) if stored and stored.body else None

    def of(self, subscriber: Subscriber) -> Wanted | None:
        return self._wanted.get((subscriber.id, subscriber.version))

    def _read(self, body: str) -> Wanted | None:
        try:
            return read_wanted(parsed(body), reading_of(self._service))
        except FhirError:
            return None
