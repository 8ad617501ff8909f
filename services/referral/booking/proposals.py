"""What can be booked, as proposed Appointments: http://hl7.org/fhir/R4/appointment.html, https://profiles.ihe.net/ITI/Scheduling/"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from services.fhir.elements import reference_in
from services.referral.booking import states
from services.referral.capacity import is_for
from services.referral.effects import capacity_of, quota_owner

Json = dict[str, Any]

_KEPT: Final = ("serviceCategory", "serviceType", "specialty", "appointmentType")


def proposals(
    slots: Iterable[Json], schedules: Mapping[str, Json], owners: Mapping[str, str], held: Mapping[str, int], asker: str
) -> Iterator[Json]:
    """One for each slot that has a place left for who asks, in the order of the slots; its own quota before what is for all."""
    free = [s for s in slots if is_for(s, asker) and held.get(f"slot:Slot/{s['id']}", 0) < capacity_of(s)]
    for slot in sorted(free, key=lambda each: (str(each.get("start", "")), not quota_owner(each), each["id"])):
        schedule = reference_in(slot.get("schedule"))
        yield proposal(slot, schedules.get(schedule, {}), owners.get(schedule))


def proposal(slot: Json, schedule: Json, provider: str | None) -> Json:
    """What the client sends back to hold or to book it."""
    actors = schedule.get("actor", ())
    made: Json = {
        "resourceType": "Appointment",
        "status": "proposed",
        **{name: slot[name] for name in _KEPT if name in slot},
        "start": slot.get("start"),
        "end": slot.get("end"),
        "slot": [{"reference": f"Slot/{slot['id']}"}],
        "participant": [{"actor": actor, "required": "required", "status": "accepted"} for actor in actors],
    }
    return states.with_provider(made, provider)


def with_patient(appointment: Json, patient: Json) -> Json:
    """Who comes; once, however often it is said."""
    others = [e for e in appointment.get("participant", ()) if reference_in(e.get("actor")) != reference_in(patient)]
    own = {"actor": patient, "required": "required", "status": "accepted"}
    return appointment | {"participant": [own, *others]}
