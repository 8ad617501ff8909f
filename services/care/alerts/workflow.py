"""The acts of an alert: one table that checks and answers, and from which docs/monitoring.md is drawn (docs/adr/0041).

An alert latches: one of high severity stays until a person answers, though the readings are back (IEC 60601-1-8 has the word).
"""

from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal, NamedTuple

import msgspec

from services.care.alerts.codes import ALERT_OUTCOME, ALERT_STATUS
from services.care.alerts.course import NEW, Course
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]
Actor = Literal["P", "C"]
ACTORS: Final = {"P": ("照护人员", "person"), "C": ("平台时钟", "platform clock")}
SAME: Final = "="
OPEN: Final = frozenset({"raised", "acknowledged", "arrived"})
CLOSED: Final = frozenset({"resolved", "over"})


class Move(NamedTuple):
    act: str
    zh: str
    sources: AbstractSet[str]
    to: str
    by: Actor


MOVES: Final = (
    #    act            Chinese        from                              to              by
    Move("raise",       "发出预警",    {NEW},                            "raised",       "C"),
    Move("escalate",    "逐级上报",    {"raised"},                       SAME,           "C"),
    Move("again",       "再次触发",    OPEN,                             SAME,           "C"),
    Move("subside",     "读数恢复",    OPEN | {"resolved"},              SAME,           "C"),
    Move("end",         "自行解除",    {"raised"},                       "over",         "C"),
    Move("acknowledge", "接警",        {"raised"},                       "acknowledged", "P"),
    Move("arrive",      "到场",        {"raised", "acknowledged"},       "arrived",      "P"),
    Move("resolve",     "处置完成",    {"acknowledged", "arrived"},      "resolved",     "P"),
)  # fmt: skip
ACTS: Final = {move.act: move for move in MOVES}


def act_of(before: Course, after: Course, actor: Actor) -> Move:
    """The act of this actor from one version to the next; 422 with what is open, where the table has none."""
    for move in MOVES:
        is_there = before.state in move.sources and after.state == (before.state if move.to == SAME else move.to)
        if move.by == actor and is_there and _is_marked(move.act, before, after):
            return move
    raise refused(before, actor)


def check_open(act: str, before: Course) -> None:
    """Raise what a person is told whose act the state does not allow."""
    if before.state not in ACTS[act].sources:
        raise refused(before, "P")


def refused(before: Course, actor: Actor) -> FhirError:
    now = [move for move in MOVES if move.by == actor and before.state in move.sources]
    named = ", ".join(f"${move.act}" for move in now) or "none"
    spoken = "、".join(f"{move.zh}(${move.act})" for move in now) or "无"
    state = (
        known_concept(ALERT_STATUS, before.state)["coding"][0].get("display", before.state) if before.state else "尚无"
    )
    return unprocessable(
        f"The alert is {before.state or 'not there'}; open to this caller: {named}",
        code="business-rule",
        text=f"预警当前状态为“{state}”。您现在可以：{spoken} · Open to you now: {named}",
        expression=("DetectedIssue.extension",),
    )


def check_outcome(course: Course) -> None:
    """What is resolved says how."""
    if "display" not in known_concept(ALERT_OUTCOME, course.outcome)["coding"][0]:
        raise unprocessable(
            f"{course.outcome or 'nothing'}: not an outcome of {ALERT_OUTCOME}",
            code="required" if not course.outcome else "code-invalid",
            text="须说明处置结果（outcome）",
            expression=("DetectedIssue.mitigation",),
        )


def _is_marked(act: str, before: Course, after: Course) -> bool:
    """An act that leaves the state is known by that, one that does not by what it changes."""
    if before.state != after.state:
        return True
    if act == "escalate":
        return after.step == before.step + 1
    is_back = before.back is None and after.back is not None
    return is_back if act == "subside" else act == "again" and not is_back and after.step == before.step


def moved(before: Course, act: str, **changes: Any) -> Course:
    move = ACTS[act]
    state = before.state if move.to == SAME else move.to
    return msgspec.structs.replace(before, state=state, **changes)
