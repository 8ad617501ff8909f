"""What must accompany the acts after submission: http://hl7.org/fhir/R4/task-definitions.html#Task.output, docs/referral-workflow.md"""

from typing import Any, Final

from services.fhir.access.grants import instant_of
from services.fhir.elements import codes_in, id_in, reference_in
from services.referral.clocks import clock_of
from services.referral.codes import (
    CLOSE_REASON,
    QUOTA_OWNER_EXTENSION,
    REJECT_REASON,
    direction_of,
    is_referral_request,
)
from services.referral.facts import Facts, New, subject_of
from services.referral.package import OLDEST_VITALS
from services.referral.refusals import lacks, taken
from services.referral.states import CHOSEN, state_of
from services.referral.workflow import MOST_ASKS, MOST_REBOOKINGS

Json = dict[str, Any]

_STAFF: Final = frozenset({"Practitioner", "PractitionerRole"})
_DEPARTMENTS: Final = frozenset({"Organization", "HealthcareService", "Location"})
_HERE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_SIGNED: Final = frozenset({"final", "amended", "corrected"})
_BOOKED: Final = frozenset({"booked", "pending", "arrived", "checked-in"})


def same_patient(facts: Facts) -> None:
    """Whatever an act adds is about the patient of the referral (I2)."""
    for new in (*facts.new_inputs(), *facts.new_outputs()):
        found = facts.named.get(new.reference) if new.reference else None
        if new.reference and found is None:
            raise lacks(new.element, "names nothing that is here", "引用的资源不存在")
        subject = subject_of(found) if found else ""
        if subject and subject != facts.patient:
            raise lacks(new.element, "is about another patient than the referral", "所附资料的患者与转诊不一致")


def reason(facts: Facts) -> None:
    stated = facts.after.get("statusReason", {})
    if not (stated.get("text") or any(c.get("display") or c.get("code") for c in stated.get("coding", ()))):
        raise lacks("Task.statusReason", "this act needs its reason", "须说明理由")


def reject_reason(facts: Facts) -> None:
    """One of the listed reasons; `other` in words."""
    found = codes_in(facts.after.get("statusReason"), REJECT_REASON)
    if not found:
        raise lacks("Task.statusReason", f"a reason of {REJECT_REASON} is needed", "须说明拒绝原因")
    if found[0] == "other" and not facts.after["statusReason"].get("text"):
        raise lacks("Task.statusReason.text", "the reason `other` needs words", "其他原因须用文字说明")


def close_reason(facts: Facts) -> None:
    if not codes_in(facts.after.get("statusReason"), CLOSE_REASON):
        raise lacks("Task.statusReason", f"a reason of {CLOSE_REASON} is needed", "须说明终止原因")


def alternative(facts: Facts) -> None:
    if facts.is_stat:
        _one(
            facts,
            "output",
            "alternative",
            "a stat referral is rejected with an alternative destination",
            "拒绝急危重症须提供替代去向",
        )


def not_stat(facts: Facts) -> None:
    if facts.is_stat:
        raise lacks("Task.businessStatus", "never for a stat referral", "急危重症转诊不适用")


def asks(facts: Facts) -> None:
    if clock_of(facts.before).asks >= MOST_ASKS:
        raise lacks("Task.businessStatus", f"at most {MOST_ASKS} rounds of questions", f"最多要求补充 {MOST_ASKS} 次")


def inputs_added(facts: Facts) -> None:
    if not facts.new_inputs():
        raise lacks("Task.input", "nothing is added", "须补充资料")


def department(facts: Facts) -> None:
    new = _one(facts, "output", "department", "the receiving department is missing", "须指明接收科室", _DEPARTMENTS)
    found = facts.named[new.reference]
    owner = id_in(found.get("partOf") or found.get("providedBy") or found.get("managingOrganization"), "Organization")
    if facts.fulfiller not in (owner, found.get("id") if found["resourceType"] == "Organization" else None):
        raise lacks(new.element, "is no department of the fulfiller", "该科室不属于接收机构")
    allowed = facts.agreement.departments if facts.agreement else frozenset()
    if allowed and new.reference not in allowed:
        raise lacks(new.element, "the agreement does not name this department", "协议未包含该科室")


def physician(facts: Facts) -> None:
    _one(facts, "output", "physician", "the receiving physician is missing", "须指明接诊医生", _STAFF)


def window(facts: Facts) -> None:
    new = _one(facts, "output", "arrival-window", "the arrival window is missing", "须指明到诊时间窗")
    value = new.value if isinstance(new.value, dict) else {}
    start, end = (instant_of(value.get(name)) for name in ("start", "end"))
    if start is None or end is None or end < start or end < facts.at:
        raise lacks(new.element, "is no period with a start and an end to come", "到诊时间窗须有起止且未过期")


def siblings(facts: Facts) -> None:
    """One institution at most takes the referral (I1)."""
    if any(state_of(each) in CHOSEN for each in facts.siblings):
        raise taken("Task.focus", "another institution has accepted this referral", "他院已接收该转诊")


def appointment(facts: Facts) -> None:
    new = _one(facts, "output", "appointment", "the Appointment is missing", "须附预约", frozenset({"Appointment"}))
    found = facts.named[new.reference]
    ends = instant_of(found.get("end") or found.get("start"))
    if found.get("status") not in _BOOKED or ends is None:
        raise lacks(new.element, "is not booked at a time", "预约须为已预约且有时间")
    if subject_of(found) != facts.patient:
        raise lacks(new.element, "is about another patient than the referral", "预约的患者与转诊不一致")
    if ends < facts.at:
        raise lacks(new.element, "is over already", "预约时间已过")


def place(facts: Facts) -> None:
    """A slot or a bed of the fulfiller; that nobody else has it is seen when it is taken (I10)."""
    if not places_of(facts):
        raise lacks("Task.output", "neither a Slot in the Appointment nor a bed is reserved", "须预留号源或床位")
    for new in facts.new_outputs("bed"):
        found = facts.named.get(new.reference, {})
        owner = id_in(found.get("managingOrganization"), "Organization")
        if found.get("resourceType") != "Location" or owner != facts.fulfiller:
            raise lacks(new.element, "is no bed of the fulfiller", "该床位不属于接收机构")
    for name in places_of(facts):
        _check_kept(name, facts)


def _check_kept(name: str, facts: Facts) -> None:
    """What an agreement keeps for one institution is not given to another."""
    found = facts.named.get(name)
    if found is None:
        raise lacks("Task.output", f"{name} is not here", "预留的号源或床位不存在")
    kept = [e.get("valueReference") for e in found.get("extension", ()) if e.get("url") == QUOTA_OWNER_EXTENSION]
    if any(id_in(each, "Organization") != facts.placer for each in kept):
        raise taken("Task.output", f"{name} is kept for another institution", "该号源或床位为其他机构预留")


def places_of(facts: Facts) -> tuple[str, ...]:
    """`Slot/id` and `Location/id` that this act reserves."""
    found = [new.reference for new in facts.new_outputs("bed")]
    for new in facts.new_outputs("appointment"):
        booked = facts.named.get(new.reference, {})
        found += [reference_in(each) for each in booked.get("slot", ())]
    return tuple(dict.fromkeys(name for name in found if name))


def rebooking(facts: Facts) -> None:
    if state_of(facts.before) == "no-show" and clock_of(facts.before).rebookings >= MOST_REBOOKINGS:
        raise lacks(
            "Task.businessStatus", f"at most {MOST_REBOOKINGS} rebooking after a no-show", "未到诊后最多改约一次"
        )


def departure_vitals(facts: Facts) -> None:
    new = _one(
        facts,
        "input",
        "departure-vitals",
        "the vital signs at departure are missing",
        "须附出发时生命体征",
        frozenset({"Observation"}),
    )
    taken_at = instant_of(facts.named[new.reference].get("effectiveDateTime"))
    if taken_at is None or taken_at < facts.at - OLDEST_VITALS[facts.is_stat]:
        raise lacks(new.element, "the vital signs are too old", "生命体征已过期")


def escort(facts: Facts) -> None:
    if facts.is_stat:
        _one(facts, "input", "escort", "a stat referral is escorted", "急危重症须专人护送")


def encounter(facts: Facts) -> None:
    new = _one(facts, "output", "encounter", "the Encounter is missing", "须附就诊记录", frozenset({"Encounter"}))
    found = facts.named[new.reference]
    if reference_in(found.get("subject")) != facts.patient:
        raise lacks(new.element, "is about another patient than the referral", "就诊记录的患者与转诊不一致")
    if id_in(found.get("serviceProvider"), "Organization") != facts.fulfiller or found.get("status") not in _HERE:
        raise lacks(new.element, "is no Encounter at the fulfiller that has begun", "就诊记录须为接收机构已开始的就诊")


def identity(facts: Facts) -> None:
    new = _one(facts, "output", "identity-verified", "the identity has to be verified", "须核验患者身份")
    if new.value in (False, None, ""):
        raise lacks(new.element, "the identity was not verified", "患者身份未核验")


def one_place(facts: Facts) -> None:
    """Where else she is, is nobody's business here (I6)."""
    if facts.elsewhere is not None:
        raise taken("Task.for", "the patient has arrived at another place", "患者已在他处到诊")


def interim(facts: Facts) -> None:
    _one(facts, "output", "interim", "the interim Composition is missing", "须附阶段小结", frozenset({"Composition"}))


def window_passed(facts: Facts) -> None:
    if facts.running.window is None or facts.at < facts.running.window:
        raise lacks("Task.businessStatus", "the arrival window has not passed", "到诊时间窗尚未结束")


def contact_attempt(facts: Facts) -> None:
    """The platform logs its own: it writes to the placer in the same commit."""
    if not facts.is_platform:
        _one(facts, "output", "contact-attempt", "no attempt to contact is logged", "须记录联系患者的尝试")


def down_request(facts: Facts) -> None:
    new = _one(
        facts,
        "output",
        "down-request",
        "the request of the way back is missing",
        "须附下转申请",
        frozenset({"ServiceRequest"}),
    )
    found, own = facts.named[new.reference], reference_in(facts.after.get("focus"))
    based = {reference_in(each) for each in found.get("basedOn", ())}
    if not is_referral_request(found) or direction_of(found) != "down" or own not in based:
        raise lacks(new.element, "is no downward referral based on this one", "须为依据本转诊的下转申请")
    if found.get("requisition") != facts.request.get("requisition"):
        raise lacks(new.element, "is not in the chain of this referral", "转诊链号与本转诊不一致")


def abort(facts: Facts) -> None:
    if len(facts.aborts) != 1 or facts.aborts[0].get("status") != "requested":
        raise lacks("Task", "an abort Task with this focus comes with it, and only one", "须同时提交一条终止申请任务")


def follow_up(facts: Facts) -> None:
    _one(facts, "input", "follow-up", "the follow-up plan is missing", "须记录随访计划")


def void_request(facts: Facts) -> None:
    """The first of four eyes: who asks, by reference, and the reason."""
    _one(facts, "input", "void-request", "who asks is missing", "须指明申请作废的人员", _STAFF)
    reason(facts)


def four_eyes(facts: Facts) -> None:
    """An administrator of the placer, another person than the one who asked."""
    asked = facts.input_values("void-request")
    if not asked:
        raise lacks("Task.input", "nobody has asked for it before (request-void)", "须先由经办人申请作废")
    if facts.administrator is None or facts.administrator == reference_in(asked[-1].value):
        raise lacks("Task.output", "an administrator other than who asked has to confirm", "须由另一名管理员确认作废")


def _one(facts: Facts, element: str, code: str, english: str, chinese: str, types: frozenset[str] = frozenset()) -> New:
    """The newest one of this kind that the act adds, of one of the types."""
    found = facts.new_inputs(code) if element == "input" else facts.new_outputs(code)
    if not found:
        raise lacks(f"Task.{element}", f"{english} ({code})", chinese)
    new = found[-1]
    if types and (new.reference.partition("/")[0] not in types or new.reference not in facts.named):
        raise lacks(new.element, f"a reference to {' or '.join(sorted(types))} that is here is needed", chinese)
    if new.value is None:
        raise lacks(new.element, english, chinese)
    return new
