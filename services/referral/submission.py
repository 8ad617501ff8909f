"""What a referral needs to be submitted: its form, a signature, a relation, the package, a consent, and no twin."""

from typing import Any, Final

import msgspec

from services.fhir.access.consent import permissions_of
from services.fhir.elements import id_in, reference_in
from services.fhir.outcomes import Issue
from services.referral.codes import DIRECTIONS, direction_of, is_referral_request
from services.referral.facts import Facts
from services.referral.package import Sent, missing
from services.referral.refusals import all_of, lacks, not_permitted, taken

Json = dict[str, Any]

REFERRAL_NUMBER: Final = "https://yiyang.example/fhir/sid/referral-no"
_PARTIES: Final = (
    ("focus", "ServiceRequest"),
    ("for", "Patient"),
    ("requester", "Organization"),
    ("owner", "Organization"),
)


def shape(facts: Facts) -> None:
    """A Task of a referral names its request, its patient and the two institutions."""
    for element, kind in _PARTIES:
        if id_in(facts.after.get(element), kind) is None:
            raise lacks(f"Task.{element}", f"a referral needs a reference to a {kind} here", f"转诊任务须引用 {kind}")
    if facts.placer != facts.organization:
        raise lacks("Task.requester", "is another institution than the caller's", "转出机构须为本机构")
    if facts.placer == facts.fulfiller:
        raise lacks("Task.owner", "placer and fulfiller are the same institution", "转出机构与接收机构不能相同")
    if facts.patient != reference_in(facts.request.get("subject")):
        raise lacks("Task.for", "the request is about another patient", "任务与申请的患者不一致")
    if not is_referral_request(facts.request):
        raise lacks("Task.focus", "the ServiceRequest is not of the category referral", "申请的类别不是转诊")


def request(facts: Facts) -> None:
    """The order: numbered, directed, addressed, in one chain with the one that it answers."""
    order = facts.request
    if number_of(order) is None:
        raise lacks("ServiceRequest.identifier", f"a referral number ({REFERRAL_NUMBER}) is needed", "缺少转诊编号")
    if direction_of(order) not in DIRECTIONS:
        raise lacks("ServiceRequest.category", "the direction up, down or lateral is needed", "缺少转诊方向")
    if not (order.get("reasonCode") or order.get("reasonReference")):
        raise lacks("ServiceRequest.reasonCode", "a referral has its reason", "须说明转诊原因")
    if not facts.siblings and facts.fulfiller not in {
        id_in(each, "Organization") for each in order.get("performer", ())
    }:
        raise lacks(
            "ServiceRequest.performer", "the fulfiller is not among the performers", "接收机构不在申请的执行方之中"
        )
    for place, each in enumerate(order.get("basedOn", ())):
        earlier = facts.named.get(reference_in(each))
        if earlier is None or reference_in(earlier.get("subject")) != facts.patient:
            raise lacks(
                f"ServiceRequest.basedOn[{place}]", "no referral of the same patient", "所依据的转诊不属于同一患者"
            )
        if is_referral_request(earlier) and earlier.get("requisition") != order.get("requisition"):
            raise lacks(
                "ServiceRequest.requisition",
                "not the chain of the referral it is based on",
                "转诊链号与所依据的转诊不一致",
            )


def signature(facts: Facts) -> None:
    """Only a licensed physician of the placer refers."""
    if not facts.is_signed:
        raise lacks(
            "ServiceRequest.requester",
            "no licensed physician of the placer signs this referral",
            "转诊须由转出机构的执业医师签署",
        )


def relation(facts: Facts) -> None:
    if facts.agreement is None:
        raise not_permitted(
            "Task.owner",
            f"no executed agreement or consortium lets these institutions refer {facts.direction}",
            "两机构之间没有允许该方向转诊的有效协议或医联体关系",
        )


def package(facts: Facts) -> None:
    found = facts.input_values("package")
    if not found:
        raise lacks("Task.input", "the referral package is missing", "缺少转诊资料包")
    faults = package_faults(facts, may_follow=facts.is_stat or facts.is_retrospective)
    if faults:
        raise all_of(faults)


def package_faults(facts: Facts, *, may_follow: bool) -> tuple[Issue, ...]:
    """Of the newest package; what a later one lacks, an earlier one does not make up for."""
    found = facts.input_values("package")[-1]
    bundle = facts.named.get(reference_in(found.value))
    if bundle is None:
        return lacks(found.element, "the package names nothing that is here", "资料包不存在").issues
    sent = Sent(facts.direction, facts.sender, facts.is_stat, facts.at, may_follow)
    return within(found.element, missing(bundle, facts.patient, sent))


def within(element: str, issues: tuple[Issue, ...]) -> tuple[Issue, ...]:
    """The same, told from the Task: `Task.input[0].value.resolve().entry[0]…`"""
    return tuple(
        msgspec.structs.replace(
            issue, expression=tuple(f"{element}.resolve().{each.partition('.')[2]}" for each in issue.expression)
        )
        for issue in issues
    )


def consent(facts: Facts) -> None:
    """A separate consent that names the recipient (PIPL, articles 23 and 29), or the reason why an emergency has none."""
    waivers = [each for each in facts.input_values("emergency-waiver") if each.value]
    if waivers:
        if facts.is_stat or facts.is_retrospective:
            return
        raise lacks(waivers[0].element, "only an emergency is without consent", "仅紧急转诊可豁免同意")
    if facts.is_retrospective:
        raise lacks("Task.input", "a referral after the event needs its waiver's reason", "补录的转诊须说明豁免理由")
    found = facts.input_values("consent")
    if not found:
        raise lacks("Task.input", "neither a consent nor an emergency waiver", "缺少患者同意书")
    for each in found:
        if _permits(facts.named.get(each.reference), facts):
            return
    raise lacks(
        found[0].element, "no active consent of the patient permits this recipient now", "同意书未允许向该接收机构提供"
    )


def _permits(found: Json | None, facts: Facts) -> bool:
    if found is None or found.get("resourceType") != "Consent" or found.get("status") != "active":
        return False
    if reference_in(found.get("patient")) != facts.patient:
        return False
    permitted = permissions_of(found, "")
    return any(
        p.organization == facts.fulfiller
        and (p.begins is None or p.begins <= facts.at)
        and (p.ends is None or facts.at < p.ends)
        for p in permitted
    )


def twin(facts: Facts) -> None:
    """One active request for the same service, of the same patient, between the same two, in one direction (I3)."""
    if facts.numbered is not None:
        raise taken("ServiceRequest.identifier", "the placer has used this referral number", "转诊编号已使用")
    if facts.twin is not None:
        raise taken(
            "Task.focus", f"{facts.twin} is an active referral of the same kind", f"同类转诊已存在：{facts.twin}"
        )


def twin_key(order: Json, placer: str, fulfiller: str) -> str:
    """What two requests that are twins have in common."""
    code = order.get("code", {})
    coding: Json = next(iter(code.get("coding", ())), {})
    service = f"{coding.get('system', '')}|{coding['code']}" if "code" in coding else code.get("text", "")
    return "twin:" + "|".join(
        (reference_in(order.get("subject")), placer, direction_of(order) or "", fulfiller, service)
    )


def number_key(order: Json, placer: str) -> str:
    return f"referral-no:{placer}|{number_of(order)}"


def number_of(order: Json) -> str | None:
    return next((i.get("value") for i in order.get("identifier", ()) if i.get("system") == REFERRAL_NUMBER), None)
