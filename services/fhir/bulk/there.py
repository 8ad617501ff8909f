"""What is there already of the entries of a chunk (docs/adr/0037)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from services.fhir.bulk.line_outcomes import Verb
from services.fhir.bulk.recognition import Marks, numbers_in, reading_of, says_the_same
from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import FhirError, conflict
from services.fhir.service import Service
from services.fhir.store import known_again
from services.fhir.store.rows import Claim, Stored
from services.fhir.store.store import Store

Json = dict[str, Any]
Place = tuple[str, str, datetime]
"""The type, the patient, the instant."""


class Entry(msgspec.Struct, frozen=True):
    """One that would be stored: what it says, and by what it is known again."""

    intent: Intent
    resource: Json
    marks: Marks

    @property
    def place(self) -> Place | None:
        return (self.intent.type, *self.marks.place) if self.marks.place else None


class There(msgspec.Struct, frozen=True):
    """`made` is what was stored under the claims, `at` what is there of the same elders at the same instants."""

    organization: str
    base: str
    made: Mapping[str, Stored]
    at: Mapping[Place, list[tuple[Json, Stored]]]

    def known(self, entry: Entry, *, is_governed: bool) -> tuple[Verb, Stored] | None:
        """Raise 409 for what contradicts what is there; what was changed since it was sent first is let be.

        Of what is governed the owner may have written more than was sent.
        """
        same = self._under_its_number(entry)
        if same is not None:
            if not is_governed and same.version == 1 and not says_the_same(entry.resource, same.parsed()):
                raise _other(entry, same)
            return "unchanged", same
        return self._as_a_reading(entry)

    def _under_its_number(self, entry: Entry) -> Stored | None:
        number = entry.marks.number
        if number is None:
            return None
        if (made := self.made.get(entry.marks.claims[0])) is not None:
            return made
        own = ((body, stored) for body, stored in self._beside(entry) if stored.author == self.organization)
        return next((stored for body, stored in own if number in numbers_in(body)), None)

    def _as_a_reading(self, entry: Entry) -> tuple[Verb, Stored] | None:
        reading = entry.marks.reading
        for body, stored in self._beside(entry) if reading else ():
            other = reading_of(body, self.base)
            if reading and other and reading.is_same(other):
                if reading.said != other.said:
                    raise _contradicts(stored)
                return "duplicate", stored
        return None

    def _beside(self, entry: Entry) -> list[tuple[Json, Stored]]:
        return self.at.get(entry.place, []) if entry.place else []


async def look(entries: Iterable[Entry], claims: Mapping[str, Claim], store: Store, service: Service) -> There:
    entries = [*entries]
    made = await _made(entries, claims, store, service)
    at = await _at(entries, store, service)
    return There(store.access.organization, service.base, made, at)


async def _made(
    entries: Iterable[Entry], claims: Mapping[str, Claim], store: Store, service: Service
) -> dict[str, Stored]:
    """Looked for only where an entry was sent before."""
    names = {key: name for each in entries for key in each.marks.claims if (name := claims[key].made)}
    ids: dict[str, list[str]] = defaultdict(list)
    for name in names.values():
        kind, _, resource_id = name.partition("/")
        ids[kind].append(resource_id)
    found: dict[str, Stored] = {}
    for kind, wanted in ids.items():
        for stored in await store.run(known_again.made, kind, wanted, store.access, service.stores.vault):
            found[f"{kind}/{stored.id}"] = stored
    return {key: found[name] for key, name in names.items() if name in found}


async def _at(entries: Iterable[Entry], store: Store, service: Service) -> dict[Place, list[tuple[Json, Stored]]]:
    places: dict[str, set[tuple[str, datetime]]] = defaultdict(set)
    for entry in entries:
        if entry.marks.place is not None:
            places[entry.intent.type].add(entry.marks.place)
    found: dict[Place, list[tuple[Json, Stored]]] = defaultdict(list)
    for kind, wanted in places.items():
        for stored, at in await store.run(
            known_again.at_instants, kind, sorted(wanted), store.access, service.stores.vault
        ):
            found[kind, stored.patient or "", at].append((stored.parsed(), stored))
    return found


def _other(entry: Entry, stored: Stored) -> FhirError:
    return conflict(
        f"Under this identifier {stored.type}/{stored.id} says something else; correct it by an update",
        code="duplicate",
        text="该业务标识已用于内容不同的记录；更正请对原记录做更新",
        expression=(f"{entry.intent.type}.identifier",),
    )


def _contradicts(stored: Stored) -> FhirError:
    return conflict(
        f"The device has another value for this instant in {stored.type}/{stored.id}",
        code="duplicate",
        text="同一设备在同一时刻已有不同的读数",
        expression=("Observation.value",),
    )
