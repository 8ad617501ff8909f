"""What is there already of the entries of a chunk (docs/adr/0037)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import jiter
import msgspec

from services.fhir.bulk.line_outcomes import Verb
from services.fhir.bulk.recognition import Marks, Reading, identities_in, reading_of, says_the_same
from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import conflict
from services.fhir.search.query import TokenValue
from services.fhir.service import Service
from services.fhir.store import known_again
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store

Json = dict[str, Any]


class Entry(msgspec.Struct, frozen=True):
    """One that would be stored: what it says, and by what it is known again."""

    intent: Intent
    resource: Json
    marks: Marks


class There(msgspec.Struct, frozen=True):
    """By the identifiers that they have, and readings by patient, device and instant."""

    identified: Mapping[tuple[str, TokenValue], Stored]
    readings: Mapping[tuple[Any, ...], list[tuple[Reading, Stored]]]

    def known(self, entry: Entry, *, is_governed: bool) -> tuple[Verb, Stored] | None:
        """Raise 409 for what contradicts what is there; what was changed since it was sent first is let be.

        Of what is governed the owner may have written more than was sent.
        """
        marks = entry.marks
        same = self.identified.get((entry.intent.type, marks.identity)) if marks.identity else None
        if same is not None:
            if not is_governed and same.version == 1 and not says_the_same(entry.resource, _body(same)):
                raise _other(entry, same)
            return "unchanged", same
        for reading, stored in self.readings.get(marks.reading.place, ()) if marks.reading else ():
            if marks.reading and marks.reading.is_same(reading):
                if marks.reading.said != reading.said:
                    raise _contradicts(stored)
                return "duplicate", stored
        return None


async def look(entries: Iterable[Entry], store: Store, service: Service) -> There:
    entries = [*entries]
    wanted = defaultdict[str, list[TokenValue]](list)
    for entry in entries:
        if entry.marks.identity is not None:
            wanted[entry.intent.type].append(entry.marks.identity)
    identified: dict[tuple[str, TokenValue], Stored] = {}
    for kind, values in wanted.items():
        for stored in await store.run(known_again.by_identifier, kind, values, store.access, service.stores.vault):
            identified |= {(kind, each): stored for each in identities_in(_body(stored))}
    return There(identified, await _readings(entries, store, service))


async def _readings(
    entries: Iterable[Entry], store: Store, service: Service
) -> dict[Any, list[tuple[Reading, Stored]]]:
    places = sorted({(reading.patient, reading.at) for each in entries if (reading := each.marks.reading)})
    found = defaultdict[Any, list[tuple[Reading, Stored]]](list)
    if places:
        for stored in await store.run(known_again.at_instants, places, store.access, service.stores.vault):
            if reading := reading_of(_body(stored), service.base, service.zone):
                found[reading.place].append((reading, stored))
    return found


def _body(stored: Stored) -> Json:
    body: Json = jiter.from_json((stored.body or "").encode(), float_mode="decimal")
    return body


def _other(entry: Entry, stored: Stored) -> Exception:
    return conflict(
        f"Under this identifier {stored.type}/{stored.id} says something else; correct it by an update",
        code="duplicate",
        text="该业务标识已用于内容不同的记录；更正请对原记录做更新",
        expression=(f"{entry.intent.type}.identifier",),
    )


def _contradicts(stored: Stored) -> Exception:
    return conflict(
        f"The device has another value for this instant in {stored.type}/{stored.id}",
        code="duplicate",
        text="同一设备在同一时刻已有不同的读数",
        expression=("Observation.value",),
    )
