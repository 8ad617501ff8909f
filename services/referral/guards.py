"""The guards of the acts by name, each in words for docs/referral-workflow.md: what must accompany an act, and what must hold."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from services.referral import answers, companions, submission
from services.referral.facts import Facts
from services.referral.refusals import lacks
from services.referral.states import state_of
from services.referral.workflow import Move

FROZEN: Final = (
    "code", "focus", "for", "requester", "owner", "intent", "priority", "authoredOn", "identifier", "basedOn",
    "groupIdentifier", "partOf", "encounter", "reasonCode", "reasonReference", "instantiatesCanonical", "instantiatesUri",
)  # fmt: skip
"""What nobody changes after the draft."""


class Guard(NamedTuple):
    """A pure check of the facts, that raises; what it asks for in Chinese and English."""

    check: Callable[[Facts], None]
    zh: str
    en: str


GUARDS: Final[Mapping[str, Guard]] = {
    "shape": Guard(submission.shape, "申请、患者、双方机构齐全一致", "request, patient and both institutions, consistent"),
    "request": Guard(submission.request, "转诊编号、方向、原因、执行方、链号", "referral number, direction, reason, performer, chain"),
    "signature": Guard(submission.signature, "转出机构执业医师签署", "a licensed physician of the placer signs"),
    "relation": Guard(submission.relation, "有效协议或医联体允许该方向，否则 403", "an agreement or consortium permits the direction, else 403"),
    "package": Guard(submission.package, "资料包章节齐全", "the package is complete"),
    "consent": Guard(submission.consent, "患者同意；紧急豁免须说明理由", "the consent permits, or an emergency waiver with its reason"),
    "twin": Guard(submission.twin, "无同类在途转诊，否则 409", "no active twin, else 409"),
    "reason": Guard(companions.reason, "理由 statusReason", "statusReason"),
    "reject-reason": Guard(companions.reject_reason, "拒绝原因（其他须文字）", "a listed reason, `other` in words"),
    "close-reason": Guard(companions.close_reason, "终止原因", "worsened, died, patient-left or transferred-elsewhere"),
    "alternative": Guard(companions.alternative, "急危重症须给出替代去向", "stat: an alternative destination"),
    "not-stat": Guard(companions.not_stat, "急危重症不适用", "not for stat"),
    "asks": Guard(companions.asks, "最多两轮", "at most two rounds"),
    "inputs-added": Guard(companions.inputs_added, "新增资料，不删除", "adds input, removes none"),
    "department": Guard(companions.department, "接收科室", "receiving department"),
    "physician": Guard(companions.physician, "接诊医生", "receiving physician"),
    "window": Guard(companions.window, "到诊时间窗", "arrival window"),
    "siblings": Guard(companions.siblings, "他院未接收；其余任务转为“他院已接收”", "nobody else has accepted; siblings become not-selected"),
    "appointment": Guard(companions.appointment, "同一患者的已约预约", "a booked Appointment of the same patient"),
    "place": Guard(companions.place, "号源或床位，先占后放", "a slot or bed, taken before the old one is freed"),
    "rebooking": Guard(companions.rebooking, "未到诊后最多改约一次", "at most one rebooking after a no-show"),
    "departure-vitals": Guard(companions.departure_vitals, "出发时生命体征", "vital signs at departure"),
    "escort": Guard(companions.escort, "急危重症专人护送", "stat: an escort"),
    "encounter": Guard(companions.encounter, "同一患者在接收机构的就诊", "an Encounter of the same patient at the fulfiller"),
    "identity": Guard(companions.identity, "核验身份", "identity verified"),
    "one-place": Guard(companions.one_place, "未在他处到诊，否则 409", "not arrived elsewhere, else 409"),
    "interim": Guard(companions.interim, "阶段小结 Composition", "an interim Composition"),
    "window-passed": Guard(companions.window_passed, "到诊时间窗已过", "the window has passed"),
    "contact-attempt": Guard(companions.contact_attempt, "已尝试联系", "a contact attempt is logged"),
    "down-request": Guard(companions.down_request, "依据本转诊的下转申请", "a downward referral based on this one, same chain"),
    "abort": Guard(companions.abort, "终止申请任务，至多一条", "one abort Task with this focus"),
    "feedback": Guard(answers.feedback, "上转：回转单；下转：照护计划、逐条用药核对、重新评估", "up: the slip; down: active CarePlan, each medication answered, reassessment"),
    "follow-up": Guard(companions.follow_up, "随访计划", "a follow-up plan"),
    "void-request": Guard(companions.void_request, "申请人与理由", "who asks, and why"),
    "four-eyes": Guard(companions.four_eyes, "另一名管理员确认", "another person, an administrator, confirms"),
}  # fmt: skip


def check(move: Move, facts: Facts) -> None:
    """Raise what the first guard that is not content says."""
    _check_frozen(move, facts)
    companions.same_patient(facts)
    for name in move.needs:
        GUARDS[name].check(facts)


def _check_frozen(move: Move, facts: Facts) -> None:
    """After the draft, parties and patient stay, inputs and outputs are only added to."""
    before, after = facts.before, facts.after
    if before is None or state_of(before) == "draft":
        return
    for name in FROZEN:
        if before.get(name) != after.get(name):
            raise lacks(f"Task.{name}", "does not change after submission", "提交后不可更改")
    for name in ("input", "output"):
        known = before.get(name, [])
        if after.get(name, [])[: len(known)] != known:
            raise lacks(f"Task.{name}", "is only added to", "只可新增，不可删改")
    if move.by == "P" and len(after.get("output", ())) != len(before.get("output", ())):
        raise lacks("Task.output", "is the fulfiller's", "输出由接收机构填写")
    if move.by == "F" and len(after.get("input", ())) != len(before.get("input", ())):
        raise lacks("Task.input", "is the placer's", "输入由转出机构填写")
