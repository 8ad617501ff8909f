"""One version of a referral Task: which act it is, whether it may be, and all that comes with it in the same commit."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from services.fhir.business import Change, Hold, Timer
from services.fhir.clockwork import is_clock
from services.fhir.elements import reference_in
from services.referral import clocks, records
from services.referral.aborts import aborts_of, answered
from services.referral.agreements import Agreement
from services.referral.appointments import appointments_after
from services.referral.calendar import Calendar
from services.referral.clocks import Running, clock_of, rules_of, with_clock
from services.referral.codes import DIRECTION_EXTENSION, direction_told, is_referral, labelled
from services.referral.decided import Part
from services.referral.desk import Desk
from services.referral.effects import after_act, body_of, frees_of, slots_of, takes_of
from services.referral.facts import Facts
from services.referral.guards import check
from services.referral.parties import (
    actors_of,
    administrator_of,
    agreement_at,
    agreement_between,
    is_signed,
    kind_of,
)
from services.referral.refusals import lacks
from services.referral.requests import others_live
from services.referral.slots import slots_after
from services.referral.states import STATES, WAITING, business_status, request_status, state_of
from services.referral.submission import number_key, twin_key
from services.referral.workflow import ACTS, Move, actions, check_transition, refused

Json = dict[str, Any]

_INPUTS: Final = frozenset({"package", "inputs-added"})
"""What an act needs that looks at the package, and so at who sends it."""


async def decide_task(place: int, change: Change, desk: Desk, calendar: Calendar) -> Part:
    before, after = change.before, await _read(change, desk)
    move = await _act(before, after, desk)
    if move is None:
        return Part(bodies={place: after})
    facts = await _facts(move, change.id, before, after, desk)
    check(move, facts)
    return await _part(place, move, change, facts, desk, calendar)


async def _read(change: Change, desk: Desk) -> Json:
    """The version as it counts: its statuses agree, and what the server keeps in it is the server's."""
    before, after, caller = change.before, change.after, desk.context.caller
    if after is None:
        raise refused(state_of(before), "nothing", actions(before, actors_of(caller, before or {})))
    if before is not None and not (is_referral(before) and is_referral(after)):
        raise lacks("Task.code", "a Task does not become a referral, nor stops to be one", "转诊任务的类型不可更改")
    state = STATES.get(state_of(after))
    if state is None:
        raise lacks("Task.businessStatus", "is no state of a referral", "businessStatus 不是转诊状态")
    if state.task != after.get("status"):
        raise lacks("Task.status", f"is {state.task} in the state {state.code}", f"状态“{state.zh}”对应 {state.task}")
    return after if is_clock(caller) else _kept(after, before)


def _kept(after: Json, before: Json | None) -> Json:
    made = with_clock(after, clock_of(before))
    own = [e for e in (before or {}).get("extension", ()) if e.get("url") == DIRECTION_EXTENSION]
    others = [e for e in made.get("extension", ()) if e.get("url") != DIRECTION_EXTENSION]
    kept = {name: value for name, value in made.items() if name != "extension"}
    return kept | ({"extension": [*own, *others]} if own or others else {})


async def _act(before: Json | None, after: Json, desk: Desk) -> Move | None:
    """None where nothing but labels are new; a version that says nothing new is no act and no event (I5)."""
    if before is not None and _bare(_kept(before, before)) == _bare(after) and labelled(before, after):
        return None
    administrator = await administrator_of(after, desk) if state_of(after) == "voided" else None
    actors = actors_of(desk.context.caller, before or after, administrator)
    return check_transition(before, after, actors)


async def _facts(move: Move, task_id: str, before: Json | None, after: Json, desk: Desk) -> Facts:
    """All that the guards of this act look at."""
    caller = desk.context.caller
    focus = reference_in(after.get("focus"))
    running = clock_of(after if is_clock(caller) else before)
    names = [*_named(move, before, after), *(running.places.split() if move.act == "arrive" else ())]
    order = await _order(focus, [*names, *_beside(move, after, running)], desk)
    if "request" in move.needs:
        names += [reference_in(each) for each in order.get("basedOn", ())]
        await desk.look_ahead([reference_in(order.get("requester")), *names])
    named = await desk.resources(names)
    named |= await desk.resources(
        [
            reference_in(s)
            for each in named.values()
            if each["resourceType"] == "Appointment"
            for s in each.get("slot", ())
        ]
    )
    siblings = await _siblings(move, after, task_id, desk)
    facts = Facts(
        before=before,
        after=after,
        request=order,
        running=running,
        at=desk.context.at,
        organization=caller.organization,
        person=caller.practitioner,
        is_platform=is_clock(caller),
        named=named,
        siblings=tuple(task for task, _ in siblings),
        aborts=aborts_of(task_id, desk) if "abort" in move.needs else (),
    )
    return await _completed(move, facts, task_id, focus, desk)


async def _order(focus: str, beside: list[str], desk: Desk) -> Json:
    """The request, read together with what is looked at beside it."""
    await desk.look_ahead([focus, *beside])
    order = await desk.resource(focus)
    if order is None or order.get("resourceType") != "ServiceRequest":
        raise lacks("Task.focus", "names no ServiceRequest that is here", "转诊申请不存在")
    return order


def _beside(move: Move, after: Json, running: Running) -> Iterator[str]:
    """What only some acts look at, by name."""
    if "relation" not in move.needs:
        yield running.agreement
    if _INPUTS & {*move.needs}:
        yield reference_in(after.get("requester"))


async def _siblings(move: Move, after: Json, task_id: str, desk: Desk) -> list[tuple[Json, int]]:
    """Those who accept look at them, and those whose end may be the end of the request or not."""
    focus, state = reference_in(after.get("focus")), state_of(after)
    decides = request_status(state, others_live=True) != request_status(state, others_live=False)
    return await desk.siblings(focus, task_id) if focus and ("siblings" in move.needs or decides) else []


async def _completed(move: Move, facts: Facts, task_id: str, focus: str, desk: Desk) -> Facts:
    """What only some acts look at: relation, signature, twin, administrator, where the elder is."""
    needs = frozenset(move.needs)
    found: dict[str, Any] = {}
    if "relation" in needs:
        found["agreement"] = await agreement_between(facts.placer, facts.fulfiller, facts.direction, desk)
        found["is_signed"] = await is_signed(facts.request, facts.placer, desk)
        await desk.look_for_holders(*_claimed(facts))
        found["twin"] = await _other(twin_key(facts.request, facts.placer, facts.fulfiller), focus, desk)
        found["numbered"] = await _other(number_key(facts.request, facts.placer), numbering(focus), desk)
    else:
        source = facts.running.agreement
        found["agreement"] = await agreement_at(source, facts.placer, facts.fulfiller, desk) if source else None
    if needs & _INPUTS:
        found["sender"] = await kind_of(facts.placer, desk)
    if "four-eyes" in needs:
        found["administrator"] = await administrator_of(facts.after, desk)
    if "one-place" in needs:
        holder = await desk.holder(f"arrived:{facts.patient}")
        found["elsewhere"] = holder if holder != f"Task/{task_id}" else None
    return msgspec.structs.replace(facts, **found)


async def _other(key: str, own: str, desk: Desk) -> str | None:
    """Who else holds it."""
    holder = await desk.holder(key)
    return holder if holder != own else None


def numbering(request: str) -> str:
    """Who holds a referral number: it stays used when the request has ended."""
    return f"Number/{request.partition('/')[2]}"


async def _part(place: int, move: Move, change: Change, facts: Facts, desk: Desk, calendar: Calendar) -> Part:
    agreement = facts.agreement or Agreement("", frozenset())
    rules = rules_of(facts.request.get("priority"), facts.direction, agreement.terms, calendar)
    running = after_act(move, facts, rules, agreement.source)
    zone, holder = desk.context.zone, f"Task/{change.id}"
    body = body_of(facts, running, rules, zone)
    recorded = desk.context.at.astimezone(zone).isoformat()
    told = records.told(move, change.id, facts, agreement.lead, recorded)
    siblings = await _siblings(move, facts.after, change.id, desk)
    return Part(
        bodies={place: body},
        changed={
            **await _request(facts, siblings, desk),
            **_passed_over(move, siblings),
            **await answered(move.act, change.id, desk),
            **await slots_after(slots_of(facts.running), slots_of(running), desk, _handed(facts, desk).values()),
            **await appointments_after(move, facts, desk),
        },
        created=(
            records.provenance(move, change.id, change.version, facts, recorded),
            *_provenances(move, siblings, facts, recorded),
            *((told,) if told else ()),
        ),
        rests_on={f"Task/{task['id']}": version for task, version in siblings if version},
        takes=(*takes_of(move, change.id, facts, running, rules), *await _claims(move, facts, desk)),
        frees=(*frees_of(move, change.id, facts), *_handed(facts, desk), *_frees_of_request(facts, siblings)),
        timers={
            **_timers(holder, facts, clocks.timers(state_of(body), running, rules)),
            **{f"Task/{task['id']}": () for task, _ in _selectable(move, siblings)},
        },
    )


async def _request(facts: Facts, siblings: list[tuple[Json, int]], desk: Desk) -> dict[str, tuple[Json, int]]:
    """The request follows its Task in the same commit."""
    name = reference_in(facts.after.get("focus"))
    status = request_status(state_of(facts.after), others_live=others_live(siblings))
    if desk.is_pending(name):
        return {}
    there = await desk.there(name)
    if there is None or there[0].get("status") == status:
        return {}
    return {name: (there[0] | {"status": status}, there[1])}


def _selectable(move: Move, siblings: list[tuple[Json, int]]) -> list[tuple[Json, int]]:
    if move.act != "accept":
        return []
    return [(task, version) for task, version in siblings if state_of(task) in WAITING and version]


def _passed_over(move: Move, siblings: list[tuple[Json, int]]) -> dict[str, tuple[Json, int]]:
    moved = {"status": STATES["not-selected"].task, "businessStatus": business_status("not-selected")}
    return {f"Task/{task['id']}": (task | moved, version) for task, version in _selectable(move, siblings)}


def _provenances(move: Move, siblings: list[tuple[Json, int]], facts: Facts, recorded: str) -> Iterator[Json]:
    for task, version in _selectable(move, siblings):
        yield records.provenance(ACTS["not-select"], task["id"], version + 1, facts, recorded)


async def _claims(move: Move, facts: Facts, desk: Desk) -> list[Hold]:
    if "twin" not in move.needs:
        return []
    return [Hold(key, holder) for key, holder in _claimed(facts).items() if await desk.holder(key) != holder]


def _claimed(facts: Facts) -> dict[str, str]:
    """What a submission claims to be the only one of: its kind, its number."""
    order, request = facts.request, reference_in(facts.after.get("focus"))
    return {
        twin_key(order, facts.placer, facts.fulfiller): request,
        number_key(order, facts.placer): numbering(request),
    }


def _handed(facts: Facts, desk: Desk) -> dict[str, str]:
    """Appointments that were there before and are the referral's from here, with the slot that each held by itself."""
    news = {new.reference: facts.named.get(new.reference, {}) for new in facts.new_outputs("appointment")}
    return {
        name: reference_in(slot)
        for name, each in news.items()
        if not desk.is_new(name)
        for slot in each.get("slot", ())
    }


def _timers(holder: str, facts: Facts, due: tuple[clocks.Timer, ...]) -> dict[str, tuple[Timer, ...]]:
    """Nothing is written where there was no timer and is none."""
    if not due and not clocks.may_tick(state_of(facts.before), clock_of(facts.before)):
        return {}
    return {holder: tuple(Timer(each.act, each.due) for each in due)}


def _frees_of_request(facts: Facts, siblings: list[tuple[Json, int]]) -> tuple[str, ...]:
    """What ends the request ends its claim to be the only one of its kind."""
    status = request_status(state_of(facts.after), others_live=others_live(siblings))
    return () if status in ("active", "draft") else (reference_in(facts.after.get("focus")),)


def _named(move: Move, before: Json | None, after: Json) -> Iterator[str]:
    """What the new inputs and outputs name; all inputs, where the act is about the package or its medication."""
    has_all = bool(_INPUTS & {*move.needs}) or (move.act == "feedback" and direction_told(after) == "down")
    for element in ("input", "output"):
        known = 0 if has_all and element == "input" else len((before or {}).get(element, ()))
        for each in after.get(element, ())[known:]:
            yield reference_in(each.get("valueReference"))


def _bare(task: Json) -> Json:
    return {name: value for name, value in task.items() if name != "meta"}
