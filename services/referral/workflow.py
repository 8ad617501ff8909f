"""The acts of the two-way referral: one table that checks, answers `$actions`, draws docs/referral-workflow.md and makes the tests.

http://hl7.org/fhir/R4/task.html#statemachine
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal, NamedTuple

from services.fhir.outcomes import FhirError, unprocessable
from services.referral.clocks import clock_of
from services.referral.codes import INPUT, OUTPUT, values
from services.referral.states import EXPECTED, LIVE, NEW, STATES, WAITING, state_of

Json = dict[str, Any]
Actor = Literal["P", "F", "C", "A"]

ACTORS: Final = {
    "P": ("转出机构", "placer"),
    "F": ("接收机构", "fulfiller"),
    "C": ("平台时钟", "platform clock"),
    "A": ("转出机构管理员", "administrator of the placer"),
}
SAME: Final = "="
"""The state does not change."""
RESUMED: Final = "<"
"""The state from which the termination was requested."""
MOST_ASKS: Final = 2
MOST_REBOOKINGS: Final = 1

_PRESENT: Final = frozenset({"arrived", "treating", "back-offered", "paused"})
_ANSWERED: Final = frozenset({"submitted", "received"})


class Move(NamedTuple):
    """One act: who may do it in which state, where it leads, and what it needs (guards.py). `new` moves no Task: it opens another one.

    `mark` is the kind of input or output that tells an act which changes no state from another such act.
    """

    act: str
    zh: str
    sources: AbstractSet[str]
    to: str
    by: Actor
    needs: tuple[str, ...] = ()
    mark: tuple[str, str] = ("", "")
    also_by: tuple[Actor, ...] = ()
    new: bool = False

    @property
    def actors(self) -> frozenset[Actor]:
        return frozenset((self.by, *self.also_by))

    def leads(self, source: str, target: str, resumes: str = "") -> bool:
        """Does it lead from this state to that one?"""
        if source not in self.sources or self.new:
            return False
        return target == {SAME: source, RESUMED: resumes}.get(self.to, self.to)


_SUBMISSION: Final = ("shape", "request", "signature", "relation", "package", "consent", "siblings", "twin")
_VOID: Final = frozenset(STATES) - {"voided"}

MOVES: Final = (
    #    act                   Chinese        from                                   to               by   needs
    Move("draft",             "起草",        {NEW},                                 "draft",         "P", ("shape",)),
    Move("edit",              "修改草稿",    {"draft"},                             SAME,            "P", ("shape",)),
    Move("submit",            "提交",        {NEW, "draft"},                        "submitted",     "P", _SUBMISSION),
    Move("receive",           "签收",        {"submitted"},                         "received",      "F"),
    Move("ask",               "要求补充",    {"received"},                          "info-requested", "F", ("reason", "not-stat", "asks")),
    Move("answer",            "答复补充",    {"info-requested"},                    "received",      "P", ("inputs-added",)),
    Move("supplement",        "补传资料",    LIVE - {"info-requested"},             SAME,            "P", ("inputs-added",), ("input", "package")),
    Move("accept",            "同意接收",    _ANSWERED,                             "accepted",      "F", ("department", "physician", "window", "siblings")),
    Move("reject",            "拒绝",        _ANSWERED | {"accepted"},              "rejected",      "F", ("reject-reason", "alternative")),
    Move("readdress",         "改投",        {"rejected"},                          "submitted",     "P", _SUBMISSION, new=True),
    Move("withdraw",          "撤回",        WAITING | {"accepted", "scheduled"},   "withdrawn",     "P", ("reason",)),
    Move("schedule",          "安排",        {"accepted", "scheduled", "no-show"},  "scheduled",     "F", ("appointment", "place", "rebooking"), ("output", "appointment")),
    Move("depart",            "出发转运",    {"scheduled"},                         "in-transit",    "P", ("departure-vitals", "escort")),
    Move("arrive",            "到诊",        EXPECTED,                              "arrived",       "F", ("encounter", "identity", "one-place")),
    Move("treat",             "开始诊疗",    {"arrived"},                           "treating",      "F"),
    Move("interim",           "阶段小结",    {"arrived", "treating"},               SAME,            "F", ("interim",), ("output", "interim")),
    Move("pause",             "暂停",        {"treating"},                          "paused",        "F", ("reason",)),
    Move("resume",            "恢复",        {"paused"},                            "treating",      "F", ("reason",)),
    Move("no-show",           "未到诊",      EXPECTED,                              "no-show",       "F", ("window-passed", "contact-attempt"), also_by=("C",)),
    Move("offer-back",        "发起下转",    {"treating"},                          "back-offered",  "F", ("down-request",)),
    Move("request-cancel",    "申请终止",    _PRESENT,                              "cancel-requested", "P", ("abort",)),
    Move("agree-cancel",      "同意终止",    {"cancel-requested"},                  "terminated",    "F"),
    Move("refuse-cancel",     "不同意终止",  {"cancel-requested"},                  RESUMED,         "F", ("reason",)),
    Move("feedback",          "回执",        {"treating", "back-offered"},          "feedback-sent", "F", ("feedback",)),
    Move("acknowledge",       "确认结案",    {"feedback-sent"},                     "closed",        "P", ("follow-up",)),
    Move("terminate",         "终止",        _PRESENT,                              "terminated",    "F", ("close-reason",)),
    Move("not-select",        "他院已接收",  WAITING,                               "not-selected",  "C"),
    Move("escalate",          "催办",        {"submitted", "received", "accepted"}, SAME,            "C", mark=("clock", "escalated")),
    Move("flag",              "标记未补录",  LIVE,                                  SAME,            "C", mark=("clock", "flagged")),
    Move("expire",            "过期",        WAITING,                               "expired",       "C", ("not-stat",)),
    Move("request-void",      "申请作废",    _VOID,                                 SAME,            "P", ("void-request",), ("input", "void-request")),
    Move("void",              "作废",        _VOID,                                 "voided",        "A", ("reason", "four-eyes")),
)  # fmt: skip
ACTS: Final = {move.act: move for move in MOVES}
RETROSPECTIVE: Final = "retrospective-submit"
"""A submission 先救治后补录 (`submit` of a request whose occurrence is earlier than it was authored): `needs` are the same."""


def act_of(before: Json | None, after: Json, actors: AbstractSet[Actor]) -> Move | None:
    """The act that leads from one version to the other, one of these actors' before another's; None where the table has none."""
    found = [move for move in _leading(before, after) if _is_marked(move, before, after)]
    return next((move for move in found if move.actors & actors), found[0] if found else None)


def check_transition(before: Json | None, after: Json, actors: AbstractSet[Actor]) -> Move:
    """The act of these actors; 422 with the acts open to them now, where the table has none."""
    move = act_of(before, after, actors)
    if move is None or not move.actors & actors:
        raise refused(state_of(before), state_of(after), actions(before, actors))
    return move


def actions(task: Json | None, actors: AbstractSet[Actor]) -> tuple[Move, ...]:
    """The acts that are open to these actors now."""
    state = state_of(task)
    return tuple(m for m in MOVES if state in m.sources and m.actors & actors and _is_open(m, task or {}))


def refused(source: str, target: str, open_now: tuple[Move, ...], why: str = "") -> FhirError:
    """What is not in the table: which acts are, for engineers and for people."""
    named = ", ".join(move.act for move in open_now) or "none"
    spoken = "、".join(f"{move.zh}({move.act})" for move in open_now) or "无"
    way = f"from {_english(source)} to {_english(target)}"
    return unprocessable(
        f"No act of this caller leads {way}{why}. Open to this caller now: {named}",
        code="business-rule",
        text=f"当前状态“{_chinese(source)}”不允许此操作。您现在可以：{spoken} · Open to you now: {named}",
        expression=("Task.businessStatus",),
    )


def _leading(before: Json | None, after: Json) -> Iterator[Move]:
    source, target, resumes = state_of(before), state_of(after), clock_of(before).resumes
    return (move for move in MOVES if move.leads(source, target, resumes))


def _is_marked(move: Move, before: Json | None, after: Json) -> bool:
    """An act that changes the state is known by that, one that does not by what it adds."""
    if state_of(before) != state_of(after):
        return True
    if move.act == "edit":
        return not _asks_void(before, after)
    element, kind = move.mark
    if element == "clock":
        return bool(getattr(clock_of(before), kind) != getattr(clock_of(after), kind))
    system = INPUT if element == "input" else OUTPUT
    counts = [len([*values((each or {}).get(element), system, kind)]) for each in (before, after)]
    return bool(element) and (counts[1] > counts[0] or (move.act == "supplement" and _grew(before, after)))


def _grew(before: Json | None, after: Json) -> bool:
    return len(after.get("input", ())) > len((before or {}).get("input", ())) and not _asks_void(before, after)


def _asks_void(before: Json | None, after: Json) -> bool:
    counts = [len([*values((each or {}).get("input"), INPUT, "void-request")]) for each in (before, after)]
    return counts[1] > counts[0]


def _is_open(move: Move, task: Json) -> bool:
    """What the state allows may be used up, or not be for an emergency."""
    clock, is_stat = clock_of(task), task.get("priority") == "stat"
    if move.act == "ask":
        return not is_stat and clock.asks < MOST_ASKS
    if move.act == "schedule" and state_of(task) == "no-show":
        return clock.rebookings < MOST_REBOOKINGS
    return not (move.act == "expire" and is_stat)


def _english(state: str) -> str:
    return state or "nothing"


def _chinese(state: str) -> str:
    return STATES[state].zh if state in STATES else "尚无" if state == NEW else state
