"""What is decided on an Appointment that is no referral's: its places are taken and given up with it (docs/adr/0026, docs/adr/0052).

http://hl7.org/fhir/R4/appointment.html
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

from services.fhir.access.grants import instant_of
from services.fhir.business import Change, Hold, Timer
from services.fhir.clockwork import is_clock
from services.fhir.elements import id_in, reference_in
from services.referral.booking import queue, states
from services.referral.decided import Part
from services.referral.desk import Desk
from services.referral.effects import capacity_of, quota_owner
from services.referral.parties import agreement_between
from services.referral.refusals import lacks, taken
from services.referral.slots import slots_after

Json = dict[str, Any]

BOOKABLE = frozenset({"free", "busy"})
"""Of a Slot; busy only says that its last place was taken when it was written."""


async def decide_booking(place: int, change: Change, desk: Desk) -> Part | None:
    """Of an Appointment that is no referral's; None for what takes no number source and never did."""
    before, after = change.before, change.after
    left, new = states.slots_of(before), states.slots_of(after)
    if states.is_over(before) and after is not None and after.get("status") in states.HOLDING:
        raise lacks("Appointment.status", "is over; book another one", "预约已结束，请重新预约")
    if not left and not new:
        return None
    holder = f"Appointment/{change.id}"
    slots = {name: found for name in new if (found := await desk.resource(name))}
    added, given_up = [n for n in new if n not in left], [n for n in left if n not in new]
    for name in added:
        if name in slots:
            check_bookable(slots[name], desk.context.caller.organization, desk.context.at)
    return Part(
        bodies=await provided(place, change, desk),
        created=await _told(change, desk),
        changed=await slots_after(given_up, added, desk),
        takes=tuple([hold async for hold in _holds(holder, change, slots, desk)]),
        frees=(holder,) if not new else tuple(f"{holder} slot:{name}" for name in given_up),
        timers={holder: _timers(after, desk.context.at)},
    )


async def _told(change: Change, desk: Desk) -> tuple[Json, ...]:
    """When one is called in, whoever comes after the next is told."""
    before = change.before or {}
    day = states.day_of(before, desk.context.zone)
    if not queue.is_called(before, change.after) or not day:
        return ()
    slots = [found for name in states.slots_of(before) if (found := await desk.resource(name))]
    schedules = ",".join(sorted({reference_in(each.get("schedule")) for each in slots}))
    asked = (("slot.schedule", schedules), ("status", "arrived,checked-in"), ("date", day))
    waiting = queue.in_order(
        each for each, _ in await desk.search("Appointment", *asked) if each.get("id") != change.id
    )
    called = waiting[queue.TOLD_AT : queue.TOLD_AT + 1]
    return tuple(queue.notice(each, desk.context.at, desk.context.zone) for each in called)


async def provided(place: int, change: Change, desk: Desk) -> dict[int, Json]:
    """The Appointment with the institution whose number source it names: a client cannot say it."""
    if change.after is None:
        return {}
    names = (reference_in(each) for each in change.after.get("slot", ()))
    slots = [found for name in names if (found := await desk.resource(name))]
    body = states.with_provider(change.after, await provider_of(slots, desk))
    return {place: body} if body != change.after else {}


def check_bookable(slot: Json, organization: str, at: datetime) -> None:
    """It is open, still to come, and kept for nobody else."""
    starts = instant_of(slot.get("start"))
    if slot.get("status") not in BOOKABLE:
        raise taken("Appointment.slot", "the slot is not open", "该号源未开放")
    if starts is not None and starts < at:
        raise lacks("Appointment.slot", "the slot is over", "该号源已过时")
    kept = quota_owner(slot)
    if kept and kept != f"Organization/{organization}":
        raise taken("Appointment.slot", "the slot is kept for another institution", "该号源为其他机构预留")


async def provider_of(slots: Iterable[Json], desk: Desk) -> str | None:
    """The institution whose service, place or member the schedule is of."""
    for slot in slots:
        schedule = await desk.resource(reference_in(slot.get("schedule"))) or {}
        for actor in schedule.get("actor", ()):
            found = await desk.resource(reference_in(actor)) or {}
            of = found.get("providedBy") or found.get("managingOrganization") or found.get("organization")
            if owner := id_in(of, "Organization"):
                return owner
    return None


async def _holds(holder: str, change: Change, slots: dict[str, Json], desk: Desk) -> AsyncIterator[Hold]:
    """A place of each new slot; one that was only kept for a while is taken for good."""
    after, left = change.after or {}, states.slots_of(change.before)
    is_confirmed = (change.before or {}).get("status") == states.WAITING and after.get("status") != states.WAITING
    ends, organization = states.until(after, desk.context.at), desk.context.caller.organization
    for name, slot in slots.items():
        if name in left and not is_confirmed:
            continue
        yield Hold(f"slot:{name}", holder, capacity_of(slot), ends)
        if not quota_owner(slot) or is_clock(desk.context.caller):
            continue
        if provider := await provider_of([slot], desk):
            agreement = await agreement_between(organization, provider, "up", desk)
            if agreement and agreement.quota:
                yield Hold(f"quota:{agreement.source}:{organization}", holder, agreement.quota, ends)


def _timers(after: Json | None, at: datetime) -> tuple[Timer, ...]:
    if after is None:
        return ()
    if after.get("status") == states.WAITING and states.slots_of(after):
        return (Timer("expire", at + states.HELD_FOR),)
    due = states.reminder(after, at)
    return (Timer("remind", due),) if due else ()
