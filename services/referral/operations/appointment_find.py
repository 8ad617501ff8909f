"""Appointment/$find: what can be booked in a time, as proposed Appointments: https://profiles.ihe.net/ITI/Scheduling/

Of an institution, a practitioner, a place, a specialty or a kind of service; number sources that are kept for the asker's institution among them.
"""

from typing import Any, Final
from uuid import uuid4

import msgspec

from services.fhir.bundle import bundle, outcome_entry
from services.fhir.elements import id_in, reference_in
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import Issue, operation_outcome
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ, SEARCH
from services.fhir.search.dates import parse_range
from services.fhir.service import Service
from services.fhir.within_scopes import check_whole
from services.referral.booking.proposals import proposals, with_patient
from services.referral.offers import MOST, OWNED, Look

Json = dict[str, Any]

IHE: Final = "https://profiles.ihe.net/ITI/Scheduling/OperationDefinition"
DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 500
_KNOWN: Final = frozenset(
    {"start", "end", "organization", "practitioner", "location", "specialty", "service-type", "patient-reference", "_count"}
)  # fmt: skip

_CUT: Final = Issue(
    "warning",
    "incomplete",
    f"More than {MOST} slots are free, not all were looked at: ask for less time or for one institution",
    f"空闲号源多于 {MOST} 项，结果不全，请缩小时间范围或指定机构",
)


async def find(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    check_whole(request.caller, "Slot", READ + SEARCH)
    look = Look(request, service)
    slots = await _slots(inputs, look, _asked(inputs, request, service))
    owners = await look.owners(slots)
    schedules = await look.many("Schedule", sorted({reference_in(s.get("schedule")).partition("/")[2] for s in slots}))
    by_name = {f"Schedule/{each['id']}": each for each in schedules}
    seen = [each for each in slots if reference_in(each.get("schedule")) in by_name]
    held = await look.held([f"slot:Slot/{each['id']}" for each in seen])
    found = list(proposals(seen, by_name, owners, held, request.caller.organization))
    wanted = _wanted(inputs, found)
    patients = _references(inputs, "patient-reference")
    count = min(inputs.number("_count") or DEFAULT_COUNT, MAX_COUNT)
    await service.stores.audit_log.record(request.audit("find", 200))
    shown = [with_patient(each, {"reference": patients[0]}) if patients else each for each in wanted[:count]]
    entries = [*map(_entry, shown), *([outcome_entry(operation_outcome([_CUT]))] if look.is_cut else [])]
    return Answer(200, bundle("searchset", entries, total=None if look.is_cut else len(wanted)))


async def _slots(inputs: Inputs, look: Look, asked: list[tuple[str, str]]) -> list[Json]:
    """Where institutions are asked for, only theirs are looked at: of each kind of what a schedule of an institution may be of."""
    if not (names := _references(inputs, "organization")):
        return await look.search("Slot", *asked)
    behind = [f"schedule.actor:{kind}.organization" for kind in OWNED]
    found = [await look.search("Slot", (each, ",".join(names)), *asked) for each in behind]
    return list({slot["id"]: slot for several in found for slot in several}.values())


def _asked(inputs: Inputs, request: FhirRequest, service: Service) -> list[tuple[str, str]]:
    """Slots that begin in the time, and not before now."""
    bounds = {name: inputs.text(name) for name in ("start", "end")}
    for name, text in bounds.items():
        if not text:
            raise invalid(name, "a time is needed", "须给出时间")
    try:
        start, end = (
            parse_range(str(text), service.zone)[side] for text, side in zip(bounds.values(), (0, 1), strict=True)
        )
    except ValueError as error:
        raise invalid("start", "start and end are dates", "应为日期或时间") from error
    if end < start:
        raise invalid("end", "before the start", "结束早于开始")
    asked = [
        ("status", "free"),
        ("start", f"ge{max(start, request.at).isoformat()}"),
        ("start", f"lt{end.isoformat()}"),
        *((name, text) for name in ("specialty", "service-type") for text in inputs.texts(name)),
    ]
    if actors := [*_references(inputs, "practitioner"), *_references(inputs, "location")]:
        asked.append(("schedule.actor", ",".join(actors)))
    return [*asked, ("_sort", "start")]


def _wanted(inputs: Inputs, found: list[Json]) -> list[Json]:
    """Those of the institutions that are asked for."""
    names = {id_in({"reference": each}, "Organization") for each in _references(inputs, "organization")}
    if not names:
        return found
    return [each for each in found if _provider(each) in names]


def _provider(appointment: Json) -> str | None:
    return id_in(next((e.get("valueReference") for e in appointment.get("extension", ())), None), "Organization")


def _references(inputs: Inputs, name: str) -> list[str]:
    """As text in the URL, as a Reference in the body."""
    return [*inputs.texts(name), *(reference_in(each) for each in inputs.elements(name))]


def _entry(appointment: Json) -> str:
    body = msgspec.json.encode(appointment).decode()
    return f'{{"fullUrl":"urn:uuid:{uuid4()}","resource":{body},"search":{{"mode":"match"}}}}'


OPERATION: Final = Operation("find", f"{IHE}/appointment-find", ("type",), ("Appointment",), find)
