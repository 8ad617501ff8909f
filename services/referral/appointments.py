"""An Appointment follows the referral for which it is booked, and holds its slots itself where it is booked for none.

http://hl7.org/fhir/R4/appointment.html · docs/referral-workflow.md
"""

from typing import Any, Final

from services.fhir.access.grants import instant_of
from services.fhir.business import Change, Hold
from services.fhir.outcomes import unprocessable
from services.referral.codes import outputs, reference_in
from services.referral.decided import Part
from services.referral.desk import Desk
from services.referral.effects import booking_key, capacity_of
from services.referral.facts import Facts
from services.referral.slots import slots_after
from services.referral.states import CHOSEN, EXPECTED, state_of
from services.referral.workflow import Move

Json = dict[str, Any]

_OPEN: Final = frozenset({"proposed", "pending", "booked", "waitlist"})
_HOLDING: Final = frozenset({"pending", "booked", "arrived", "checked-in"})
_GIVEN_UP: Final = frozenset({"cancelled", "noshow", "entered-in-error"})


async def appointments_after(move: Move, facts: Facts, desk: Desk) -> dict[str, tuple[Json, int]]:
    """The one that was booked last, as this act leaves it; nothing where somebody has answered it already."""
    status = _followed(move, facts)
    named = {new.reference for new in facts.new_outputs("appointment")}
    found: dict[str, tuple[Json, int]] = {}
    for value in outputs(facts.before or {}, "appointment")[-1:] if status else ():
        name = reference_in(value)
        there = await desk.there(name) if name not in named else None
        if there is not None and there[0].get("status") in _OPEN:
            found[name] = (there[0] | {"status": status}, there[1])
    return found


def _followed(move: Move, facts: Facts) -> str | None:
    before, after = state_of(facts.before), state_of(facts.after)
    if after == "no-show":
        return "noshow"
    if after == "arrived":
        return "arrived"
    is_over = before in EXPECTED and after not in CHOSEN
    return "cancelled" if is_over or (move.act == "schedule" and before == "scheduled") else None


async def decide_appointment(change: Change, desk: Desk) -> Part:
    """One of a referral changes with it; any other one takes the places of its slots, so that none is booked twice (I10)."""
    name, before, after = f"Appointment/{change.id}", change.before, change.after
    if before is not None and (task := await desk.holder(booking_key(name))) is not None:
        if not desk.is_pending(task):
            _check_kept(before, after, task)
        return Part()
    left, taken = _slots(before), _slots(after)
    if _is_scheduled_here(name, desk):
        return Part(frees=(name,) if left else ())
    if left == taken:
        return Part()
    return Part(
        frees=(name,) if left else (),
        takes=tuple([hold for slot in taken for hold in await _place(slot, name, after or {}, desk)]),
        changed=await slots_after(left, taken, desk),
    )


def _check_kept(before: Json, after: Json | None, task: str) -> None:
    """Its time and place are the referral's; that the elder has come is the institution's to say."""
    if after is not None and after.get("status") not in _GIVEN_UP and after.get("slot") == before.get("slot"):
        return
    raise unprocessable(
        f"This Appointment is given up by an act of {task}: reschedule, no-show or withdraw",
        code="business-rule",
        text="该预约属于转诊，须通过转诊任务改约、登记未到诊或撤回",
        expression=("Appointment.status",),
    )


def _slots(appointment: Json | None) -> list[str]:
    if appointment is None or appointment.get("status") not in _HOLDING:
        return []
    return [name for each in appointment.get("slot", ()) if (name := reference_in(each))]


async def _place(slot: str, holder: str, appointment: Json, desk: Desk) -> list[Hold]:
    """Until it is over; a slot that is not here has no places to count."""
    there = await desk.resource(slot)
    until = instant_of(appointment.get("end"))
    return [] if there is None else [Hold(f"slot:{slot}", holder, capacity_of(there), until)]


def _is_scheduled_here(name: str, desk: Desk) -> bool:
    """Is it what a Task of this commit is scheduled by, and so the Task's to hold?"""
    for change in desk.changes:
        if change.type == "Task" and change.after is not None:
            known, now = (
                {reference_in(v) for v in outputs(each or {}, "appointment")} for each in (change.before, change.after)
            )
            if name in now - known:
                return True
    return False
