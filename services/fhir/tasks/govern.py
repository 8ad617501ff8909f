"""One version of a Task whose course is a table: who may do which act, what it needs, what the server writes of it (docs/adr/0047)."""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from services.fhir.business import Change, Context, Timer, changed
from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.tasks.actors import actors_of, open_moves
from services.fhir.tasks.effects import brought
from services.fhir.tasks.needs import check_needs
from services.fhir.tasks.table import SAME, Actor, Move, Workflow, workflow_of
from services.kit.caller import Caller

Json = dict[str, Any]

_MOVED: Final = frozenset(
    {"status", "businessStatus", "statusReason", "input", "output", "note", "executionPeriod", "lastModified", "meta", "text", "restriction"}
)  # fmt: skip


class Governed(msgspec.Struct, frozen=True):
    """The Task as it is stored, what its act brings, on which versions that rests, and its timers from now on."""

    body: Json
    created: tuple[Intent, ...]
    rests_on: dict[str, int]
    timers: tuple[Timer, ...]


async def govern(workflow: Workflow, change: Change, context: Context) -> Governed:
    before, after = change.before, change.after
    if after is None:
        raise _refused("", "it is not deleted", "办理记录不可删除")
    if before is not None and workflow_of(before) != workflow:
        raise _refused("code", "it stays what it is", "不可改变办理事项")
    actors = actors_of(before or after, context.caller, is_new=before is None)
    move = _move(workflow, before, after, actors)
    if "C" not in actors:
        _check_kept(before, after)
    _check_patient(workflow, after)
    if before is None:
        _check_seen(after, context.caller)
    rests_on = await check_needs(workflow, move, before, after, context)
    body = _written(workflow, move, before, after, context)
    return Governed(body, await brought(workflow, move.act, body, context), rests_on, _timers(workflow, body))


async def at_its_time(workflow: Workflow, task: Json, version: int, act: str) -> tuple[Intent, ...]:
    """What the clock writes; nothing where the act is not open any more."""
    state = workflow.state_of(task)
    for move in workflow.moves:
        if move.act == act and "C" in move.by and state in move.from_:
            return (changed(_in_state(workflow, task, state if move.to == SAME else move.to), version),)
    return ()


def _move(workflow: Workflow, before: Json | None, after: Json, actors: frozenset[Actor]) -> Move:
    source, target = workflow.state_of(before), workflow.state_of(after)
    if before is not None and source == target and after.get("status") != before.get("status"):
        target = workflow.state_of({"status": after.get("status")})  # who knows FHIR's status alone
    for move in open_moves(workflow, before, actors):
        if target == (source if move.to == SAME else move.to):
            return move
    now = open_moves(workflow, before, actors)
    named, spoken = ", ".join(m.act for m in now) or "none", "、".join(f"{m.zh}({m.act})" for m in now) or "无"
    raise unprocessable(
        f"No act of this caller leads from {source or 'nothing'} to {target}. Open to this caller now: {named}",
        code="business-rule",
        text=f"当前状态不允许此操作。您现在可以：{spoken} · Open to you now: {named}",
        expression=("Task.businessStatus",),
    )


def _check_kept(before: Json | None, after: Json) -> None:
    """An act changes the course of a Task, and not what it is about; what was given stays."""
    if before is None:
        return
    for name in sorted((before.keys() | after.keys()) - _MOVED):
        if before.get(name) != after.get(name):
            raise _refused(name, "an act does not change it", "办理过程中不可修改此项")
    for name in ("input", "output"):
        given = before.get(name, [])
        if after.get(name, [])[: len(given)] != given:
            raise _refused(name, "what was given stays", "已提交的内容不可删改")


def _check_patient(workflow: Workflow, after: Json) -> None:
    reference = str(after.get("for", {}).get("reference", ""))
    if not reference.startswith("Patient/") and (reference or workflow.patient == "required"):
        raise _refused("for", "it is about one Patient", "须注明老人", code="required")


def _check_seen(after: Json, caller: Caller) -> None:
    """Another institution sees a Task by the patient whom it is about."""
    owner = after.get("owner", {}).get("reference")
    if owner is not None and "for" not in after and owner != f"Organization/{caller.organization}":
        raise _refused(
            "owner",
            "it would not see this: name the patient (for), or file it with the institution that answers",
            "未注明老人时，承办机构看不到此事项；请注明老人，或由承办机构登记",
        )


def _written(workflow: Workflow, move: Move, before: Json | None, after: Json, context: Context) -> Json:
    state = workflow.state_of(before) if move.to == SAME else move.to
    now = context.at.astimezone(context.zone).isoformat(timespec="seconds")
    made = {"authoredOn": now} if before is None else {}
    body = _in_state(workflow, after, state) | made | {"lastModified": now}
    kept = {name: value for name, value in body.items() if name != "restriction"}
    due = _due(workflow, body, state)
    return kept | ({"restriction": {"period": {"end": due.isoformat(timespec="seconds")}}} if due else {})


def _in_state(workflow: Workflow, task: Json, code: str) -> Json:
    state = workflow.state(code)
    coding = {"system": workflow.system, "code": code, "display": state.zh}
    return task | {"status": state.status, "businessStatus": {"coding": [coding]}}


def _due(workflow: Workflow, body: Json, state: str) -> datetime | None:
    clock = workflow.clock(state)
    if clock is None:
        return None
    start = body["authoredOn"] if clock.since == "beginning" else body["lastModified"]
    return datetime.fromisoformat(start) + timedelta(hours=clock.hours)


def _timers(workflow: Workflow, body: Json) -> tuple[Timer, ...]:
    state = workflow.state_of(body)
    clock, due = workflow.clock(state), _due(workflow, body, state)
    return (Timer(clock.act, due),) if clock and clock.act and due else ()


def _refused(element: str, diagnostics: str, text: str, code: str = "business-rule") -> FhirError:
    path = f"Task.{element}" if element else "Task"
    return unprocessable(f"{path}: {diagnostics}", code=code, text=text, expression=(path,))
