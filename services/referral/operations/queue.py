"""Appointment/$queue: how many wait ahead at the same schedule today: docs/adr/0052

Read as the platform: a number is told, never who they are.
"""

from typing import Any, Final

from services.fhir.access.grants import patient_in
from services.fhir.elements import reference_in
from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.referral.booking.queue import ahead, in_order
from services.referral.booking.states import day_of
from services.referral.offers import Look
from services.referral.operations.acting import OURS

Json = dict[str, Any]


async def queue(request: FhirRequest, service: Service) -> Answer:
    read_inputs(request).check_known(())
    appointment = present(await service.stores.read("Appointment", request.id), "Appointment").parsed()
    slots = [reference_in(each).partition("/")[2] for each in appointment.get("slot", ())]
    look = Look(request, service.as_platform())
    schedules = {reference_in(each.get("schedule")) for each in await look.many("Slot", slots)}
    day = day_of(appointment, service.zone)
    waiting = await look.waiting(sorted(schedules), day) if schedules and day else []
    place = ahead(appointment, waiting)
    if place is None:
        raise unprocessable(
            "Only who has arrived or checked in stands in a queue",
            code="business-rule",
            text="签到后方可查询候诊位置",
            expression=("Appointment.status",),
        )
    patients = (patient_in(each.get("actor")) for each in appointment.get("participant", ()))
    await service.stores.audit_log.record(request.audit("queue", 200, about=patients))
    return parameters(
        {"name": "ahead", "valueInteger": place}, {"name": "waiting", "valueInteger": len(in_order(waiting))}
    )


OPERATION: Final = Operation("queue", f"{OURS}/Appointment-queue", ("instance",), ("Appointment",), queue)
