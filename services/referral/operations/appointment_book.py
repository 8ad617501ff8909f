"""Appointment/$hold and Appointment/$book: a place is kept for a while, or taken: https://profiles.ihe.net/ITI/Scheduling/

What is written takes the same way as PUT: services/referral/booking decides. Who comes second is told 409, and may choose another.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from services.fhir.access.grants import name_in
from services.fhir.interactions.answers import location, present, version_headers
from services.fhir.interactions.commit import write
from services.fhir.interactions.intent import Intent
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.referral.booking.proposals import proposal, with_patient
from services.referral.booking.states import WAITING
from services.referral.operations.appointment_find import IHE

Json = dict[str, Any]
Handler = Callable[[FhirRequest, Service], Awaitable[Answer]]

_KNOWN: Final = frozenset({"appointment-reference", "appointment-resource", "slot", "patient-reference", "comment"})
_OPEN: Final = frozenset({"proposed", "pending", "waitlist"})
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def _to(name: str, status: str) -> Handler:
    async def handler(request: FhirRequest, service: Service) -> Answer:
        inputs = read_inputs(request)
        inputs.check_known(_KNOWN)
        stored, appointment = await _asked(inputs, service)
        return await _written(name, stored, _as_wanted(appointment, status, inputs), request, service)

    return handler


async def _asked(inputs: Inputs, service: Service) -> tuple[Stored | None, Json]:
    """What is there already, or what is proposed: by $find, or by naming the Slot."""
    reference = inputs.element("appointment-reference") or {"reference": inputs.text("appointment-reference")}
    name = name_in(reference) if reference.get("reference") else None
    proposed = inputs.resource("appointment-resource", "Appointment")
    slot = inputs.element("slot")
    if [bool(name), bool(proposed), bool(slot)].count(True) != 1:
        raise invalid(
            "appointment-reference",
            "one of appointment-reference, appointment-resource, slot",
            "须且只须给出预约引用、预约内容或号源之一",
        )
    if name:
        stored = present(await service.stores.read("Appointment", name.partition("/")[2]), "Appointment")
        return stored, stored.parsed()
    if proposed:
        return None, {name: each for name, each in proposed.items() if name not in ("id", "meta")}
    return None, await _of_slot(slot or {}, service)


async def _of_slot(reference: Json, service: Service) -> Json:
    slot_id = (name_in(reference) or "").removeprefix("Slot/")
    slot = present(await service.stores.read("Slot", slot_id), "Slot").parsed()
    schedule_id = (name_in(slot.get("schedule")) or "").removeprefix("Schedule/")
    schedule = await service.stores.read("Schedule", schedule_id)
    return proposal(slot, schedule.parsed() if schedule and schedule.body else {}, None)


def _as_wanted(appointment: Json, status: str, inputs: Inputs) -> Json:
    if appointment.get("status") not in _OPEN or (status == WAITING and "id" in appointment):
        raise unprocessable(
            "This Appointment is no longer to be held or booked",
            code="business-rule",
            text="该预约已确认或已结束",
            expression=("Appointment.status",),
        )
    if not appointment.get("slot"):
        raise unprocessable(
            "A number source is needed", code="required", text="须指明号源", expression=("Appointment.slot",)
        )
    for patient in inputs.elements("patient-reference"):
        appointment = with_patient(appointment, patient)
    comment = inputs.text("comment")
    made = appointment | {"status": status} | ({"comment": comment} if comment else {})
    if status == "booked" and not any(
        (name_in(p.get("actor")) or "").startswith("Patient/") for p in made["participant"]
    ):
        raise unprocessable(
            "Who comes is to be said: patient-reference",
            code="required",
            text="须指明就诊人",
            expression=("Appointment.participant",),
        )
    return made


async def _written(name: str, stored: Stored | None, body: Json, request: FhirRequest, service: Service) -> Answer:
    """A new one, or the one that was held, on the version that was read."""
    if stored is None:
        intent = Intent("POST", "Appointment", body=_encode(body))
    else:
        version = request.if_match or stored.etag
        intent = Intent("PUT", "Appointment", stored.id, _encode(body), if_match=version)

    def finish(store: Store, written: Stored | None) -> Answer:
        made = present(written, "Appointment")
        status = 201 if made.is_created else 200
        store.audit(request.audit(name, status, of=made))
        where = (b"location", f"{service.base}/{location(made)}".encode())
        return Answer(status, (made.body or "").encode(), (*version_headers(made), where))

    return await write(intent, service, finish)


HOLD: Final = Operation(
    "hold", f"{IHE}/appointment-hold", ("type",), ("Appointment",), _to("hold", "pending"), affects_state=True, letters="c"
)  # fmt: skip
BOOK: Final = Operation(
    "book", f"{IHE}/appointment-book", ("type",), ("Appointment",), _to("book", "booked"), affects_state=True, letters="c"
)  # fmt: skip
