"""The door of the ServiceRequest: the placer drafts it and may revoke it; all else follows its Tasks (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.business import Change
from services.fhir.elements import reference_in
from services.fhir.outcomes import FhirError, unprocessable
from services.referral.codes import is_referral, is_referral_request, labelled
from services.referral.decided import Part
from services.referral.desk import Desk
from services.referral.refusals import lacks
from services.referral.states import LIVE, request_status, state_of

Json = dict[str, Any]

_ENDED: Final = frozenset({"completed", "revoked", "entered-in-error"})
_OWN_ENDS: Final = frozenset({"revoked", "entered-in-error"})


async def decide_request(change: Change, desk: Desk) -> Part:
    before, after = change.before, change.after
    name = f"ServiceRequest/{change.id}"
    if after is None:
        raise lacks(
            "ServiceRequest", "a referral is never deleted: revoke it, or void its Task", "转诊不可删除，请撤销或作废"
        )
    if before is not None and not (is_referral_request(before) and is_referral_request(after)):
        raise lacks(
            "ServiceRequest.category", "a request does not become a referral, nor stops to be one", "转诊类别不可更改"
        )
    tasks = await desk.siblings(name, "")
    if before is not None and _same(before, after):
        if labelled(before, after):
            return Part()
        raise lacks("ServiceRequest", "nothing is new in this version", "内容没有变化")
    if before is None or before.get("status") == "draft":
        _check_draft(change, [task for task, _ in tasks])
        return Part(frees=(name,) if after.get("status") in _ENDED else ())
    if _same(before | {"status": ""}, after | {"status": ""}):
        await _check_status(name, before, after, tasks, desk)
        return Part(
            rests_on={f"Task/{task['id']}": version for task, version in tasks if version},
            frees=(name,) if after.get("status") in _ENDED else (),
        )
    raise lacks(_changed_element(before, after), "after submission only the status changes", "提交后除状态外不可更改")


def _check_draft(change: Change, tasks: list[Json]) -> None:
    """It becomes active together with its first Task, not before."""
    status = (change.after or {}).get("status")
    live = [task for task in tasks if state_of(task) in LIVE]
    if status == "draft" and not live:
        return
    if status == "active" and live:
        return
    if change.before is not None and status in _OWN_ENDS and not live:
        return
    raise unprocessable(
        f"A referral request is {'active with a submitted Task' if live else 'a draft until a Task of it is submitted'}",
        code="business-rule",
        text="转诊申请须与已提交的任务一同生效；未提交前为草稿 · draft until its Task is submitted, in one transaction",
        expression=("ServiceRequest.status",),
    )


async def _check_status(name: str, before: Json, after: Json, tasks: list[tuple[Json, int]], desk: Desk) -> None:
    """What its Tasks of this commit make of it, or the placer's own revocation of what nobody works on."""
    status, moved = after.get("status"), [task for task, version in tasks if version == 0]
    live = [task for task, _ in tasks if state_of(task) in LIVE]
    for task in moved:
        others = [each for each in live if each is not task]
        if status == request_status(state_of(task), others_live=bool(others)):
            return
    if not moved and status == "revoked" and before.get("status") == "active" and not live:
        _check_placer([task for task, _ in tasks], desk)
        return
    raise _refused(name, before, after, is_live=bool(live))


def _check_placer(tasks: list[Json], desk: Desk) -> None:
    own = f"Organization/{desk.context.caller.organization}"
    if any(reference_in(task.get("requester")) != own for task in tasks):
        raise lacks("ServiceRequest.status", "only the placer revokes its request", "仅转出机构可撤销申请")


def _refused(name: str, before: Json, after: Json, *, is_live: bool) -> FhirError:
    way = "withdraw its Task" if is_live else "revoke it"
    return unprocessable(
        f"{name} does not go from {before.get('status')} to {after.get('status')} by itself; {way}",
        code="business-rule",
        text=f"申请状态随转诊任务变化，不可单独改为 {after.get('status')} · it follows its Task; {way}",
        expression=("ServiceRequest.status",),
    )


def _same(before: Json, after: Json) -> bool:
    return {k: v for k, v in before.items() if k not in _ASIDE} == {k: v for k, v in after.items() if k not in _ASIDE}


def _changed_element(before: Json, after: Json) -> str:
    names = [name for name in {**before, **after} if name not in _ASIDE and before.get(name) != after.get(name)]
    return f"ServiceRequest.{next(iter(names), 'status')}"


def others_live(siblings: list[tuple[Json, int]]) -> bool:
    return any(is_referral(task) and state_of(task) in LIVE for task, _ in siblings)


_ASIDE: Final = frozenset({"meta", "text"})
