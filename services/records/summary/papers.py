"""What a summary is made of, as far as its reader may read it now: every search in one statement, then what the results name."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from services.fhir.access.grants import name_in
from services.fhir.compartment import patient_types
from services.fhir.references import literal_references, relative
from services.fhir.request import FhirRequest
from services.fhir.scopes import READ, SEARCH, permissions
from services.fhir.search.parse import parse_search
from services.fhir.search.query import Match, ReferenceValue, SearchQuery
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.records.summary.found import Filled, filled
from services.records.summary.sections import ASKS, Ask

Json = dict[str, Any]

MAX_NAMED: Final = 60
"""Resources that those of the summary refer to; beyond, the references stand alone."""
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)
_BY_ITSELF: Final = frozenset({"Observation"})  # who found it can be read where it refers to
_NAMED: Final = frozenset({"Medication", "Device", "Organization", "Practitioner", "PractitionerRole"})


class Papers(msgspec.Struct, frozen=True):
    """`stored` are the patient, what the sections tell in their order, then what these name; `parsed` the same by `Type/id`."""

    stored: tuple[Stored, ...]
    parsed: Mapping[str, Json]
    sections: tuple[Filled, ...]

    @property
    def patient(self) -> Json:
        return self.parsed[_name(self.stored[0])]

    def resolve(self, reference: Any) -> Json | None:
        return self.parsed.get(name_in(reference) or "")


async def papers(patient: Stored, patients: Sequence[str], request: FhirRequest, service: Service) -> Papers:
    found = await _found(patients, request, service)
    bodies = {_name(each): each for each in (patient, *(each for several in found.values() for each in several))}
    parsed = {name: each.parsed() for name, each in bodies.items()}
    names = {
        name: _references(each, service) for name, each in parsed.items() if each["resourceType"] not in _BY_ITSELF
    }
    named = await _named({name for each in names.values() for name in each} - parsed.keys(), request, service)
    parsed |= {_name(each): each.parsed() for each in named}
    asked = {ask: [parsed[_name(each)] for each in several] for ask, several in found.items()}
    sections = filled(asked, lambda reference: parsed.get(name_in(reference) or ""))
    told = dict.fromkeys(f"{r['resourceType']}/{r['id']}" for each in sections for r in each.resources)
    own = (patient, *(bodies[name] for name in told if name in bodies))
    wanted = {name for each in own for name in names.get(_name(each), ())}
    beside = (each for each in named if _name(each) in wanted and _name(each) not in told)
    return Papers((*own, *beside), parsed, sections)


async def _found(patients: Sequence[str], request: FhirRequest, service: Service) -> dict[Ask, list[Stored]]:
    """By the searches for types that the caller's scopes cover."""
    allowed = permissions(request.caller.scopes)
    asks = [ask for ask in ASKS if allowed.allow(ask.type, READ + SEARCH)]
    queries = [_query(ask, patients) for ask in asks]
    pages = await service.stores.reading(lambda store: store.first_pages(queries))
    return dict(zip(asks, pages, strict=True))


def _query(ask: Ask, patients: Sequence[str]) -> SearchQuery:
    query = _of_anybody(ask)
    names = tuple(ReferenceValue((f"Patient/{each}",)) for each in patients)
    code = "patient" if "patient" in patient_types()[ask.type] else "subject"
    return msgspec.structs.replace(query, conditions=(Match(code, "reference", None, names), *query.conditions))


@lru_cache(maxsize=len(ASKS))
def _of_anybody(ask: Ask) -> SearchQuery:
    """The search without its patient: it says nothing of the time at which it is asked."""
    items = [*ask.where, ("_sort", ask.sort), ("_count", str(ask.count))]
    query = parse_search(ask.type, items, now=_ANY_TIME, strict=True)
    return msgspec.structs.replace(query, newest_of_each=ask.is_latest)


async def _named(names: Iterable[str], request: FhirRequest, service: Service) -> list[Stored]:
    """The medications, devices, institutions and people that are referred to, in the order of their names."""
    allowed = permissions(request.caller.scopes)
    wanted = [n for n in sorted(names) if n.partition("/")[0] in _NAMED and allowed.allow(n.partition("/")[0], READ)]
    found = await asyncio.gather(*(service.stores.read(*name.split("/", 1)) for name in wanted[:MAX_NAMED]))
    return [each for each in found if each is not None and not each.is_deleted]


def _references(resource: Json, service: Service) -> frozenset[str]:
    return frozenset(relative(reference, f"{service.base}/") for reference in literal_references(resource))


def _name(stored: Stored) -> str:
    return f"{stored.type}/{stored.id}"
