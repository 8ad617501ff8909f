"""What an act of a Task must bring, looked up where it is only named: http://hl7.org/fhir/R4/task.html"""

from collections.abc import Iterator
from typing import Any

from services.fhir.business import Context
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.tasks.table import PARAMETER, Move, Need, Workflow

Json = dict[str, Any]

_FINAL = frozenset({"final", "amended", "corrected", "completed", "active"})


async def check_needs(
    workflow: Workflow, move: Move, before: Json | None, after: Json, context: Context
) -> dict[str, int]:
    """By `Type/id`, the versions on which it rests; 422 for the first that is lacking."""
    rests: dict[str, int] = {}
    _check_brought(workflow, move, before or {}, after)
    for need in move.needs:
        if need.element not in ("input", "output"):
            _check_element(move, need, after, context)
            continue
        earlier = [*of_kind(before or {}, need)]
        if need.at_most is not None and len(earlier) > need.at_most:
            raise _lacks(
                move, "Task.businessStatus", f"no more than {need.at_most + 1} times", "次数已达上限", "business-rule"
            )
        added = [*of_kind(after, need)][len(earlier) :]
        if not added and need.at_most is None:
            text = f"须附{'输入' if need.element == 'input' else '输出'}“{need.kind}”"
            raise _lacks(move, f"Task.{need.element}", f"a new {need.element} of the kind {need.kind} is needed", text)
        for place, value in added:
            rests |= await _check_value(move, need, f"Task.{need.element}[{place}].value", value, after, context)
    return rests


def _check_brought(workflow: Workflow, move: Move, before: Json, after: Json) -> None:
    """What is looked up is brought by the acts that look it up, and so is never unseen."""
    brought = {(need.element, need.kind) for need in move.needs if need.at_most is None}
    for need in (need for each in workflow.moves for need in each.needs if need.type):
        added = [*of_kind(after, need)][len([*of_kind(before, need)]) :]
        if added and (need.element, need.kind) not in brought:
            element = f"Task.{need.element}[{added[0][0]}]"
            raise _lacks(move, element, f"no {need.kind} is brought", f"此操作不可附“{need.kind}”", "business-rule")


def _check_element(move: Move, need: Need, after: Json, context: Context) -> None:
    """`another` is neither who asks nor the institution that writes it down."""
    if not (value := after.get(need.element)):
        raise _lacks(move, f"Task.{need.element}", f"{need.element} is needed", f"须填写 {need.element}")
    own = (f"Organization/{context.caller.organization}", after.get("requester", {}).get("reference"))
    if need.another and value.get("reference") in own:
        raise _lacks(
            move, f"Task.{need.element}", "it is another than who applies", "不可由申请方自行办理", "business-rule"
        )


def of_kind(task: Json, need: Need) -> Iterator[tuple[int, Any]]:
    """The values of its kind, each with its place."""
    for place, each in enumerate(task.get(need.element, ())):
        codings = each.get("type", {}).get("coding", ())
        if any((c.get("system"), c.get("code")) == (PARAMETER, need.kind) for c in codings):
            yield place, next((v for k, v in each.items() if k.startswith("value")), None)


async def _check_value(
    move: Move, need: Need, element: str, value: Any, after: Json, context: Context
) -> dict[str, int]:
    if need.values and not need.type and not _codes(value) & {*need.values}:
        raise _lacks(
            move, element, f"one of {', '.join(need.values)}", f"应为以下之一：{'、'.join(need.values)}", "code-invalid"
        )
    if not need.type:
        return {}
    kind, _, resource_id = str(value.get("reference", "") if isinstance(value, dict) else "").partition("/")
    found = await context.seen(kind, resource_id) if kind == need.type and resource_id else None
    if found is None:
        raise _lacks(move, element, f"a {need.type} that is here", f"应引用本平台的 {need.type}", "value")
    resource, version = found
    subject = resource.get("subject") or resource.get("patient") or {}
    if "for" in after and subject.get("reference") != after["for"].get("reference"):
        raise _lacks(move, element, "it is of another patient", "不是同一位老人的资料", "business-rule")
    if resource.get("status", "final") not in _FINAL:
        raise _lacks(move, element, "it is not final", "尚未生效", "business-rule")
    if need.code and need.code not in _tokens(resource.get("code")):
        raise _lacks(move, element, f"its code is not {need.code}", "资料类型不符", "business-rule")
    if need.values and not _codes(resource.get("valueCodeableConcept")) & {*need.values}:
        raise _lacks(
            move,
            element,
            f"its value is none of {', '.join(need.values)}",
            f"结果不在 {'、'.join(need.values)} 之内",
            "business-rule",
        )
    return {f"{kind}/{resource_id}": version}


def _codes(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if not isinstance(value, dict):
        return set()
    return {str(c.get("code")) for c in value.get("coding", [value])}


def _tokens(concept: Any) -> set[str]:
    return {f"{c.get('system')}|{c.get('code')}" for c in (concept or {}).get("coding", ())}


def _lacks(move: Move, element: str, diagnostics: str, text: str, code: str = "required") -> FhirError:
    return unprocessable(
        f"{element}: to {move.act}, {diagnostics}", code=code, text=f"{move.zh}：{text}", expression=(element,)
    )
