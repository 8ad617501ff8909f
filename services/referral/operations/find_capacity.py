"""Slot/$find-capacity: institutions with free beds or number sources, by `specialty`, distance from `near`, and how soon (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.operations.inputs import invalid, parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.referral.capacity import Free, Place, ordered
from services.referral.offers import Look
from services.referral.operations.acting import OURS

Json = dict[str, Any]


async def find_capacity(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known({"specialty", "near", "count"})
    look = Look(request, service.as_platform())
    near = _place(inputs.text("near"))
    specialty = inputs.text("specialty")
    offering = await look.offering(specialty) if specialty else None
    found = [each for each in await look.free(near) if offering is None or each.organization in offering]
    await service.stores.audit_log.record(request.audit("find-capacity", 200))
    count = inputs.number("count") or 20
    return parameters(*(_part(each, service) for each in ordered(found)[:count]), *look.warning())


def _place(text: str | None) -> Place | None:
    """`latitude|longitude`, as Location's `near` has it: http://hl7.org/fhir/R4/location.html#positional"""
    if text is None:
        return None
    try:
        latitude, longitude = (float(part) for part in text.split("|")[:2])
    except ValueError as error:
        raise invalid("near", "latitude|longitude", "应为 纬度|经度") from error
    return Place(latitude, longitude)


def _part(free: Free, service: Service) -> Json:
    parts: list[Json] = [
        {"name": "organization", "valueReference": {"reference": f"Organization/{free.organization}"}},
        {"name": "free-beds", "valueInteger": free.beds},
        {"name": "free-slots", "valueInteger": free.slots},
    ]
    if free.soonest:
        parts.append({"name": "soonest", "valueDateTime": free.soonest.astimezone(service.zone).isoformat()})
    if free.distance is not None:
        parts.append({"name": "distance-km", "valueDecimal": round(free.distance, 1)})
    return {"name": "institution", "part": parts}


OPERATION: Final = Operation("find-capacity", f"{OURS}/Slot-find-capacity", ("type",), ("Slot",), find_capacity)
