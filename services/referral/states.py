"""The states of a referral, and what each is in FHIR: http://hl7.org/fhir/R4/task.html#statemachine, docs/referral-workflow.md

BSeR's codes: http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from services.fhir.elements import codes_in
from services.referral.codes import BUSINESS_STATUS

Json = dict[str, Any]


class State(NamedTuple):
    """One `businessStatus`; `task` and `request` are the status of the Task and of its ServiceRequest."""

    code: str
    task: str
    request: str
    zh: str
    en: str
    bser: tuple[str, ...] = ()


_ALL: Final = (
    State("draft", "draft", "draft", "草稿", "Draft"),
    State("submitted", "requested", "active", "已提交·待受理", "Submitted, waits to be received", ("2.0",)),
    State("received", "received", "active", "已签收·受理中", "Received, being considered"),
    State("info-requested", "received", "active", "待补充材料", "Information requested"),
    State("accepted", "accepted", "active", "已同意接收", "Accepted", ("3.0",)),
    State("scheduled", "ready", "active", "已安排(床位/号源/时间)", "Scheduled: bed, appointment or time", ("5.1.1",)),
    State("in-transit", "ready", "active", "转运途中", "In transit"),
    State("no-show", "on-hold", "active", "未到诊", "Did not arrive", ("5.1.2",)),
    State("arrived", "in-progress", "active", "已到诊", "Arrived", ("5.1.4",)),
    State("treating", "in-progress", "active", "诊疗中/照护中", "In treatment or care"),
    State("paused", "on-hold", "active", "暂停", "Paused"),
    State("back-offered", "in-progress", "active", "已发起下转", "Referral back offered"),
    State("cancel-requested", "in-progress", "active", "申请终止中", "Termination requested", ("5.2",)),
    State("feedback-sent", "completed", "active", "已回执(回转单/小结已发)", "Feedback sent"),
    State("closed", "completed", "completed", "已结案", "Closed", ("7.0",)),
    State("rejected", "rejected", "active", "已拒绝", "Rejected", ("4.0",)),
    State("withdrawn", "cancelled", "revoked", "已撤回", "Withdrawn", ("5.2", "6.0")),
    State("expired", "cancelled", "revoked", "已过期", "Expired"),
    State("not-selected", "cancelled", "active", "他院已接收", "Another institution has accepted"),
    State("terminated", "failed", "revoked", "转诊终止(病情变化/死亡/离院/中止)", "Terminated"),
    State("voided", "entered-in-error", "entered-in-error", "作废(录入错误)", "Voided, entered in error"),
)  # fmt: skip
STATES: Final[Mapping[str, State]] = {state.code: state for state in _ALL}

NEW: Final = ""
"""Before a Task is there."""
WAITING: Final = frozenset({"submitted", "received", "info-requested"})
EXPECTED: Final = frozenset({"accepted", "scheduled", "in-transit"})
PRESENT: Final = frozenset({"arrived", "treating", "paused", "back-offered", "cancel-requested"})
CHOSEN: Final = EXPECTED | PRESENT | {"no-show"}
"""One Task of a request at most is in one of these (I1)."""
LIVE: Final = WAITING | CHOSEN
TERMINAL: Final = frozenset({"closed", "rejected", "withdrawn", "expired", "not-selected", "terminated", "voided"})
"""From here a Task moves no more, but to be voided."""
AT_ONE_PLACE: Final = frozenset({"arrived", "treating", "paused", "cancel-requested"})
"""Where the elder is, until the way back is offered, feedback given or the referral terminated (I6)."""


def state_of(task: Json | None) -> str:
    """The code of `businessStatus`, NEW for no Task; one that is no state of a referral is given as it is."""
    if task is None:
        return NEW
    return next(iter(codes_in(task.get("businessStatus"), BUSINESS_STATUS)), "?")


def business_status(state: str) -> Json:
    return {"coding": [{"system": BUSINESS_STATUS, "code": state, "display": STATES[state].zh}]}


def request_status(state: str, *, others_live: bool) -> str:
    """What the request becomes; while another Task of it is live, the end of one is not the end of the request."""
    return "active" if others_live and state != "closed" else STATES[state].request
