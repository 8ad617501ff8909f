"""What an act changes beside the state: the clocks, the deadline, the places that are held, who is told (docs/referral-workflow.md)."""

from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from services.fhir.access.grants import instant_of
from services.fhir.business import Hold
from services.fhir.elements import reference_in
from services.referral.clocks import Rules, Running, span, with_clock
from services.referral.codes import DIRECTION_EXTENSION
from services.referral.companions import places_of
from services.referral.facts import Facts
from services.referral.states import AT_ONE_PLACE, CHOSEN, state_of
from services.referral.submission import package_faults
from services.referral.workflow import Move

Json = dict[str, Any]

PLACING: Final = frozenset({"schedule", "no-show", "arrive"})
"""The acts that change which places a Task holds and leave it chosen."""
HOLDING_PLACES: Final = CHOSEN - {"no-show"}


def after_act(move: Move, facts: Facts, rules: Rules, agreement: str) -> Running:
    """The clocks as they run from here."""
    running = facts.running
    if state_of(facts.before) != state_of(facts.after):
        running = msgspec.structs.replace(running, since=facts.at, escalated=0)
    own = _while_waiting(move, facts, rules, agreement) | _from_acceptance(move, facts)
    running = msgspec.structs.replace(running, **own)
    if state_of(facts.after) not in HOLDING_PLACES:
        running = msgspec.structs.replace(running, places="")
    if move.act in ("submit", "supplement", "answer"):
        running = msgspec.structs.replace(running, complete=_completed_by(facts, running, rules))
    return running


def _while_waiting(move: Move, facts: Facts, rules: Rules, agreement: str) -> dict[str, Any]:
    running, at = facts.running, facts.at
    match move.act:
        case "submit":
            return {"submitted": at, "agreement": agreement}
        case "ask":
            return {"asked": at, "asks": running.asks + 1}
        case "answer" if running.asked:
            stood = int(rules.passed("accept", running.asked, at).total_seconds())
            return {"asked": None, "paused": running.paused + stood}
    return {}


def _from_acceptance(move: Move, facts: Facts) -> dict[str, Any]:
    running, at, source = facts.running, facts.at, state_of(facts.before)
    match move.act:
        case "accept":
            return {"window": _window(facts)}
        case "schedule":
            rebooked = running.rebookings + (source == "no-show")
            places = " ".join(places_of(facts))
            return {"since": at, "window": _booked(facts), "rebookings": rebooked, "places": places}
        case "arrive":
            return {"arrived": at}
        case "request-cancel":
            return {"resumes": source}
        case "agree-cancel" | "refuse-cancel":
            return {"resumes": ""}
    return {}


def body_of(facts: Facts, running: Running, rules: Rules, zone: ZoneInfo) -> Json:
    """The Task as the server writes it: priority, direction and deadline are not the client's."""
    task = with_clock(_directed(facts.after, facts.direction), running)
    task["lastModified"] = facts.at.astimezone(zone).isoformat()
    if priority := facts.request.get("priority"):
        task["priority"] = priority
    runs = span(state_of(task), running, rules)
    restriction = {name: each for name, each in task.get("restriction", {}).items() if name != "period"}
    period = {name: each for name, each in task.get("restriction", {}).get("period", {}).items() if name != "end"}
    if runs:
        period["end"] = runs.due.astimezone(zone).isoformat(timespec="seconds")
    if period:
        restriction["period"] = period
    task.pop("restriction", None)
    return task | ({"restriction": restriction} if restriction else {})


def frees_of(move: Move, task_id: str, facts: Facts) -> tuple[str, ...]:
    """All that it holds, where it holds other places from here, or nothing more."""
    before, after = state_of(facts.before), state_of(facts.after)
    holder = f"Task/{task_id}"
    if (move.act in PLACING and facts.running.places) or (before in CHOSEN and after not in CHOSEN):
        return (holder,)
    if before in AT_ONE_PLACE and after not in AT_ONE_PLACE:
        return (f"{holder} arrived:{facts.patient}",)
    return ()


def takes_of(move: Move, task_id: str, facts: Facts, running: Running, rules: Rules) -> tuple[Hold, ...]:
    """What the Task holds from here and does not hold already."""
    holder, before, after = f"Task/{task_id}", state_of(facts.before), state_of(facts.after)
    has_freed_all = holder in frees_of(move, task_id, facts)
    holds: list[Hold] = []
    if after in CHOSEN and (has_freed_all or before not in CHOSEN):
        holds.append(Hold(f"chosen:{reference_in(facts.after.get('focus'))}", holder))
    if after in CHOSEN:
        holds += _places(move, holder, facts, running, rules)
    if after in AT_ONE_PLACE and (has_freed_all or before not in AT_ONE_PLACE):
        holds.append(Hold(f"arrived:{facts.patient}", holder))
    return tuple(holds)


def _places(move: Move, holder: str, facts: Facts, running: Running, rules: Rules) -> list[Hold]:
    """A slot until its time is over; a bed too, but for as long as the elder lies in it."""
    ends = running.window + (rules.length("no-show") or timedelta(0)) if running.window else None
    if move.act == "schedule":
        booked = [Hold(booking_key(new.reference), holder) for new in facts.new_outputs("appointment")[-1:]]
        return [*booked, *(hold for name in places_of(facts) for hold in _place(name, holder, facts, ends))]
    if move.act == "arrive":
        beds = [hold for bed in beds_of(running) for hold in _place(bed, holder, facts, None)]
        return [*beds, *(hold for slot in slots_of(running) for hold in _place(slot, holder, facts, ends))]
    return []


def booking_key(appointment: str) -> str:
    """Held by the Task that is scheduled by this Appointment."""
    return f"booking:{appointment}"


def _place(name: str, holder: str, facts: Facts, until: datetime | None) -> list[Hold]:
    kind = "slot" if name.startswith("Slot/") else "bed"
    found = facts.named.get(name, {})
    holds = [Hold(f"{kind}:{name}", holder, capacity_of(found), until)]
    if quota_owner(found) and facts.agreement and facts.agreement.quota:
        holds.append(Hold(f"quota:{facts.agreement.source}:{facts.placer}", holder, facts.agreement.quota, until))
    return holds


def beds_of(running: Running) -> list[str]:
    return [name for name in running.places.split() if name.startswith("Location/")]


def slots_of(running: Running) -> list[str]:
    return [name for name in running.places.split() if name.startswith("Slot/")]


def capacity_of(place: Json) -> int:
    return max(
        1,
        next((e["valueInteger"] for e in place.get("extension", ()) if _is(e, "capacity") and "valueInteger" in e), 1),
    )


def quota_owner(place: Json) -> str:
    """`Organization/id` for which a slot or bed is kept, empty where it is for all."""
    return next(
        (reference_in(e.get("valueReference")) for e in place.get("extension", ()) if _is(e, "quota-owner")), ""
    )


def _is(extension: Json, name: str) -> bool:
    return str(extension.get("url", "")).endswith(f"/StructureDefinition/{name}")


def _window(facts: Facts) -> datetime | None:
    return instant_of(facts.new_outputs("arrival-window")[-1].value.get("end"))


def _booked(facts: Facts) -> datetime | None:
    booked = facts.named.get(facts.new_outputs("appointment")[-1].reference, {})
    return instant_of(booked.get("end") or booked.get("start"))


def _completed_by(facts: Facts, running: Running, rules: Rules) -> datetime | None:
    """Until when the rest of the package has to come; None when it is whole."""
    is_owed = facts.is_stat or facts.is_retrospective
    if not is_owed or running.submitted is None or not package_faults(facts, may_follow=False):
        return None
    return rules.due("complete", running.submitted)


def _directed(task: Json, direction: str) -> Json:
    others = [e for e in task.get("extension", ()) if e.get("url") != DIRECTION_EXTENSION]
    own = [{"url": DIRECTION_EXTENSION, "valueCode": direction}] if direction else []
    kept = {name: each for name, each in task.items() if name != "extension"}
    return kept | ({"extension": [*own, *others]} if own or others else {})
