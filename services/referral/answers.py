"""What closes a referral on the fulfiller's side: the 回转单 upward, the home's active plan downward.

http://hl7.org/fhir/R4/composition.html · http://hl7.org/fhir/R4/careplan.html · http://hl7.org/fhir/R4/list.html
"""

from typing import Any, Final

from services.fhir.elements import reference_in
from services.referral.facts import Facts, New
from services.referral.package import feedback_missing, medication_lines
from services.referral.refusals import all_of, lacks
from services.referral.submission import within

Json = dict[str, Any]

ANSWERS: Final = frozenset({"continue", "stop", "changed", "new"})
_SIGNED: Final = frozenset({"final", "amended", "corrected"})


def feedback(facts: Facts) -> None:
    """Down: a plan, each line of medication answered, a reassessment. Up and lateral: the 回转单."""
    if facts.direction != "down":
        _note(facts)
        return
    _plan(facts)
    _medication(facts)
    _of_type(facts, "reassessment", ("Observation", "QuestionnaireResponse"), "a reassessment (GB/T 42195)", "重新评估")


def _note(facts: Facts) -> None:
    new = _of_type(facts, "feedback", ("Composition",), "the back-referral slip", "回转单或出院小结")
    note = facts.named[new.reference]
    if note.get("status") not in _SIGNED:
        raise lacks(new.element, "the slip is not final", "回转单尚未定稿")
    faults = feedback_missing(note)
    if faults:
        raise all_of(within(new.element, faults))


def _plan(facts: Facts) -> None:
    new = _of_type(facts, "care-plan", ("CarePlan",), "the active CarePlan", "执行中的照护计划")
    plan, own = facts.named[new.reference], reference_in(facts.after.get("focus"))
    if plan.get("status") != "active":
        raise lacks(new.element, "the plan is not active", "照护计划尚未执行")
    based = [reference_in(each) for name in ("basedOn", "supportingInfo") for each in plan.get(name, ())]
    if own not in based:
        raise lacks(new.element, "the plan is not based on this request (supportingInfo)", "照护计划未依据本转诊申请")


def _medication(facts: Facts) -> None:
    """A List whose entries answer each line: continue, stop, changed or new."""
    new = _of_type(facts, "medication-reconciliation", ("List",), "the reconciled medication", "用药核对清单")
    answered = {reference_in(e.get("item")) for e in facts.named[new.reference].get("entry", ()) if _is_answered(e)}
    lines = [line for package in facts.input_values("package") for line in medication_lines(_bundle(package, facts))]
    open_lines = [line for line in dict.fromkeys(lines) if line not in answered]
    if open_lines:
        raise lacks(new.element, f"not answered: {', '.join(open_lines)}", f"未逐条核对用药：{'、'.join(open_lines)}")


def _is_answered(entry: Json) -> bool:
    return any(coding.get("code") in ANSWERS for coding in entry.get("flag", {}).get("coding", ()))


def _bundle(package: New, facts: Facts) -> Json:
    return facts.named.get(package.reference, {})


def _of_type(facts: Facts, code: str, types: tuple[str, ...], english: str, chinese: str) -> New:
    found = facts.new_outputs(code)
    if not found:
        raise lacks("Task.output", f"{english} is missing ({code})", f"缺少{chinese}")
    if found[-1].reference.partition("/")[0] not in types or found[-1].reference not in facts.named:
        raise lacks(found[-1].element, f"{english}: a reference to {' or '.join(types)}", f"须引用{chinese}")
    return found[-1]
