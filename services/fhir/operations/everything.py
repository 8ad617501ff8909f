"""Patient/$everything, of one patient and of all: http://hl7.org/fhir/R4/patient-operation-everything.html

The answer is paged by place (docs/adr/0007): the patients, then what tells of them, type by type. Each page brings along what its resources
refer to and no patient owns, such as practitioners, organizations and medications.
"""

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from services.fhir.bundle import bundle, outcome_entry, search_entry
from services.fhir.compartment import patient_types
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.operations.supporting import MAX_SUPPORTING, supporting
from services.fhir.operations.whose import the_patient, whose
from services.fhir.outcomes import Issue, operation_outcome
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import permissions
from services.fhir.search.dates import parse_range
from services.fhir.service import Service
from services.fhir.store.compartment import CompartmentQuery, compartment
from services.fhir.store.cursors import seal, unseal
from services.fhir.store.rows import Stored
from services.fhir.within_scopes import check_some

DEFAULT_COUNT: Final = 200
MAX_COUNT: Final = 1000
_PLACE: Final = ("bigint", "text")  # place of the type, id
_KNOWN: Final = frozenset({"start", "end", "_since", "_type", "_count", "_cursor"})

Place = tuple[int, str]


class Asked(msgspec.Struct, frozen=True):
    """`types` limit the patients' own resources, `others` what they refer to (None: not limited)."""

    path: str
    used: tuple[tuple[str, str], ...]
    types: tuple[str, ...]
    others: frozenset[str] | None
    count: int
    since: datetime | None
    start: datetime | None
    end: datetime | None


async def everything(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    asked = await _asked(inputs, request, service)
    cursor = inputs.text("_cursor")
    after: Place | None = _unsealed(cursor, asked, service) if cursor else None
    patient = await the_patient(request, service) if request.id else None
    people = await whose(patient, service) if patient else None
    found = await _page(people, asked, after, service)
    shown = [stored for _, stored in found[: asked.count]]
    beside, is_cut = await supporting(shown, asked.others, asked.since, request.caller, service)
    about = (stored.patient for stored in shown)
    query = urlencode(asked.used)
    await service.stores.audit_log.record(request.audit("everything", 200, of=patient, about=about, query=query))
    entries = [
        *(search_entry(stored, service.base, "match") for stored in shown),
        *(search_entry(stored, service.base, "include") for stored in beside),
        *([outcome_entry(operation_outcome([_CUT]))] if is_cut else []),
    ]
    more = found[asked.count - 1][0] if len(found) > asked.count else None
    return Answer(200, bundle("searchset", entries, links=_links(asked, cursor, more, service)))


async def _asked(inputs: Inputs, request: FhirRequest, service: Service) -> Asked:
    inputs.check_known(_KNOWN)
    allowed = permissions(request.caller.scopes)
    wanted = [t for text in inputs.texts("_type") for t in text.split(",") if t]
    known = set(await service.all_types())
    for name in wanted:
        if name not in known:
            raise invalid("_type", f"{name[:64]} is not a type that is served here", "包含不支持的资源类型")
        check_some(request.caller, name, "rs")
    own = [
        t for t in patient_types() if t in known and (allowed.allow_some(t, "rs") or (t == "Patient" and request.id))
    ]
    count = inputs.number("_count")
    if count == 0:
        raise invalid("_count", "a positive number", "应为正整数")
    given = {name: inputs.text(name) for name in ("start", "end", "_since", "_count")}
    return Asked(
        path="/".join(part for part in ("Patient", request.id, "$everything") if part),
        used=(*((n, t) for n, t in given.items() if t), *([("_type", ",".join(wanted))] if wanted else [])),
        types=tuple(t for t in own if not wanted or t in wanted),
        others=frozenset(wanted) if wanted else None,
        count=min(count or DEFAULT_COUNT, MAX_COUNT),
        since=_bound("_since", given["_since"], service, 0),
        start=_bound("start", given["start"], service, 0),
        end=_bound("end", given["end"], service, 1),
    )


def _bound(name: str, text: str | None, service: Service, side: int) -> datetime | None:
    """The first instant of a text, or the one behind it."""
    if not text:
        return None
    try:
        return parse_range(text, service.zone)[side]
    except ValueError as error:
        raise invalid(name, "not a date", "应为日期") from error


async def _page(
    patients: tuple[str, ...] | None, asked: Asked, after: Place | None, service: Service
) -> list[tuple[Place, Stored]]:
    query = CompartmentQuery(patients, asked.types, asked.count, asked.since, asked.start, asked.end, after)
    async with service.stores.database.connection() as connection:
        found = await compartment(connection, query, service.stores.access)
    return [((place, stored.id), service.stores.opened(stored)) for place, stored in found]


def _unsealed(cursor: str, asked: Asked, service: Service) -> Place:
    place, resource_id = unseal(cursor, _identity(asked), _PLACE, service.stores.cursor_key)
    return place, resource_id


def _identity(asked: Asked) -> str:
    """What a page link depends on; the scopes too, for the places are those of the types that they cover."""
    return f"{asked.path}?{urlencode([u for u in asked.used if u[0] != '_count'])}#{','.join(asked.types)}"


def _links(asked: Asked, cursor: str | None, more: Place | None, service: Service) -> list[tuple[str, str]]:
    links = [("self", _url(asked, [("_cursor", cursor)] if cursor else [], service))]
    if more:
        sealed = seal(more, _identity(asked), service.stores.cursor_key)
        links.append(("next", _url(asked, [("_cursor", sealed)], service)))
    return links


def _url(asked: Asked, place: list[tuple[str, Any]], service: Service) -> str:
    query = urlencode([*asked.used, *place], quote_via=quote, safe=":,")
    return f"{service.base}/{asked.path}" + (f"?{query}" if query else "")


_CUT: Final = Issue(
    "warning",
    "incomplete",
    f"Only {MAX_SUPPORTING} of the resources that this page refers to are listed",
    f"本页引用的资源超过 {MAX_SUPPORTING} 条，未全部列出",
)
