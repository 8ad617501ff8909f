"""$export of the system, of all patients and of a group: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

from datetime import datetime
from typing import Final

import msgspec

from services.fhir.bulk.filters import parse_filters
from services.fhir.bulk.job import Export
from services.fhir.bulk.kick_off import kick_off
from services.fhir.compartment import patient_types
from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.outcomes import forbidden
from services.fhir.references import relative
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import permissions
from services.fhir.search.dates import parse_range
from services.fhir.search.query import types_in
from services.fhir.service import Service
from services.fhir.store.history import HistoryQuery
from services.fhir.store.rows import Stored
from services.fhir.within_scopes import check_may_search, check_some

NDJSON: Final = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
_KNOWN: Final = frozenset({"_outputFormat", "_since", "_type", "_typeFilter", "patient"})


async def export(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    if "handling=lenient" not in request.prefer:
        inputs.check_known(_KNOWN if request.type else _KNOWN - {"patient"})
    if (inputs.text("_outputFormat") or "ndjson").replace(" ", "+") not in NDJSON:
        raise invalid("_outputFormat", "application/fhir+ndjson is what there is", "仅支持 application/fhir+ndjson")
    since = _since(inputs, service)
    members, newcomers = await _members(request, inputs, since, service)
    asked = Export(
        types=await _types(request, inputs, service),
        level="group" if members is not None else "patient" if request.type else "system",
        filters=_filters(inputs),
        since=since,
        members=members,
        newcomers=newcomers,
    )
    filters = parse_filters(asked, request.at, service)  # what is wrong is told now, not by the job
    for query in (each for queries in filters.values() for each in queries):
        check_may_search(request.caller, types_in(query))
    return await kick_off("export", msgspec.json.encode(asked).decode(), request, service)


async def _types(request: FhirRequest, inputs: Inputs, service: Service) -> tuple[str, ...]:
    """What is asked for, or all that the caller may read and search."""
    served = await service.all_types()
    possible = [t for t in served if not request.type or t in patient_types()]
    wanted = [t for text in inputs.texts("_type") for t in text.split(",") if t]
    allowed = permissions(request.caller.scopes)
    for name in wanted:
        if name not in possible:
            raise invalid("_type", f"{name[:64]} cannot be exported here", "包含无法在此导出的资源类型")
        check_some(request.caller, name, "rs")
    types = tuple(t for t in possible if (t in wanted if wanted else allowed.allow_some(t, "rs")))
    if not types:
        raise forbidden("The token's scopes cover no type to export", text="令牌权限不足")
    return types


def _filters(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    """`Type?criteria`, several separated by commas or given again; a comma inside a value is written %2C."""
    filters: dict[str, tuple[str, ...]] = {}
    for text in inputs.texts("_typeFilter"):
        for each in _split(text):
            name, mark, criteria = each.partition("?")
            if not mark or not criteria:
                raise invalid("_typeFilter", "the form is Type?criteria", "格式应为 类型?条件")
            filters[name] = (*filters.get(name, ()), criteria)
    return filters


def _split(text: str) -> list[str]:
    """At the commas behind which another `Type?` begins: those of OR lists stay."""
    parts: list[str] = []
    for piece in text.split(","):
        starts = piece[:1].isupper() and "?" in piece
        if starts or not parts:
            parts.append(piece)
        else:
            parts[-1] += f",{piece}"
    return parts


def _since(inputs: Inputs, service: Service) -> datetime | None:
    text = inputs.text("_since")
    if text is None:
        return None
    try:
        return parse_range(text.replace(" ", "+"), service.zone)[0]
    except ValueError as error:
        raise invalid("_since", "not an instant", "应为时间") from error


# ---- whom it is about -----------------------------------------------------------------------------------------------------


async def _members(
    request: FhirRequest, inputs: Inputs, since: datetime | None, service: Service
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The patients that the export is cut to, and those of them that the group has got since then."""
    wanted = _patients(inputs, service)
    if not request.id:
        return wanted, ()
    members, before = await _group(request, since, service)
    if wanted is not None:
        if outside := set(wanted) - set(members):
            raise invalid("patient", f"{len(outside)} of them are not members of the group", "包含非本组成员的患者")
        members = wanted
    return members, tuple(p for p in members if before is not None and p not in before)


def _patients(inputs: Inputs, service: Service) -> tuple[str, ...] | None:
    given = [e.get("reference", "") for e in inputs.elements("patient")]
    references = [relative(text, f"{service.base}/") for text in (*given, *inputs.texts("patient"))]
    if any(not r.startswith("Patient/") for r in references):
        raise invalid("patient", "the form is Patient/id", "格式应为 Patient/id")
    return tuple(dict.fromkeys(r.removeprefix("Patient/") for r in references)) or None


async def _group(
    request: FhirRequest, since: datetime | None, service: Service
) -> tuple[tuple[str, ...], frozenset[str] | None]:
    stored = present(await service.stores.reading(lambda store: store.read("Group", request.id)), "Group")
    if since is None:
        return _patients_of(stored, service), None
    query = HistoryQuery(("Group",), request.id, 1, at=(since, since))
    then = await service.stores.reading(lambda store: store.history(query))
    return _patients_of(stored, service), frozenset(p for v in then.found[:1] for p in _patients_of(v, service))


def _patients_of(group: Stored, service: Service) -> tuple[str, ...]:
    entities = (
        m.get("entity", {}).get("reference", "") for m in group.parsed().get("member", ()) if not m.get("inactive")
    )
    references = (relative(text, f"{service.base}/") for text in entities)
    return tuple(dict.fromkeys(r.removeprefix("Patient/") for r in references if r.startswith("Patient/")))
