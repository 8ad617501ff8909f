"""An Appointment follows the referral for which it is booked, and holds its slots itself where it is booked for none.

http://hl7.org/fhir/R4/appointment.html · docs/referral-workflow.md
"""

from typing import Any, Final

from services.fhir.business import Change
from services.fhir.elements import reference_in
from services.fhir.outcomes import unprocessable
from services.referral.booking.decide import decide_booking, provided
from services.referral.booking.states import slots_of
from services.referral.codes import outputs
from services.referral.decided import Part
from services.referral.desk import Desk
from services.referral.effects import booking_key
from services.referral.facts import Facts
from services.referral.states import CHOSEN, EXPECTED, state_of
from services.referral.workflow import Move

Json = dict[str, Any]

_OPEN: Final = frozenset({"proposed", "pending", "booked", "waitlist"})
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


async def decide_appointment(place: int, change: Change, desk: Desk) -> Part | None:
    """One of a referral changes with it; any other one takes the places of its slots, so that none is booked twice (I10)."""
    name, before, after = f"Appointment/{change.id}", change.before, change.after
    if before is not None and (task := await desk.holder(booking_key(name))) is not None:
        if not desk.is_pending(task):
            _check_kept(before, after, task)
        return Part(bodies=await provided(place, change, desk))
    if _is_scheduled_here(name, desk):
        frees = (name,) if slots_of(before) else ()
        return Part(bodies=await provided(place, change, desk), frees=frees, timers={name: ()})
    return await decide_booking(place, change, desk)


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
