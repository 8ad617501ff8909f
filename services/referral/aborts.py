"""The abort Task of a request to terminate: it comes with the act and ends with its answer.

http://hl7.org/fhir/uv/order-workflows (cancellation by a Task with the code `abort`)
"""

from typing import Any, Final

from services.fhir.business import Change
from services.fhir.elements import id_in, reference_in
from services.referral.codes import TASK_CODE, is_abort, is_referral
from services.referral.decided import Part
from services.referral.desk import Desk
from services.referral.refusals import lacks
from services.referral.states import state_of

Json = dict[str, Any]

ANSWERED: Final = {"agree-cancel": "completed", "refuse-cancel": "rejected", "void": "cancelled"}
"""The act that answers it → what becomes of it."""


async def decide_abort(change: Change, desk: Desk) -> Part:
    """It is made with `request-cancel` in the same transaction; afterwards it is the platform's."""
    before, after = change.before, change.after
    if before is not None and after is not None and _bare(before) == _bare(after):
        return Part()
    if before is not None or after is None:
        raise lacks(
            "Task",
            "an abort Task is answered by agree-cancel or refuse-cancel of its focus",
            "终止申请由接收机构在原任务上答复",
        )
    focus = reference_in(after.get("focus"))
    asked = next((c.after for c in desk.changes if f"{c.type}/{c.id}" == focus), None)
    if asked is None or not is_referral(asked) or state_of(asked) != "cancel-requested":
        raise lacks(
            "Task.focus", "comes with the request-cancel of its focus in one transaction", "终止申请须与原任务一同提交"
        )
    own = desk.context.caller.organization
    if id_in(after.get("requester"), "Organization") != own or after.get("for") != asked.get("for"):
        raise lacks(
            "Task.requester", "is not the placer's, or of another patient", "终止申请须由转出机构就同一患者提出"
        )
    return Part()


def aborts_of(task_id: str, desk: Desk) -> tuple[Json, ...]:
    """Those that this commit makes."""
    made = (c.after for c in desk.changes if c.type == "Task" and c.before is None and is_abort(c.after))
    return tuple(each for each in made if each and reference_in(each.get("focus")) == f"Task/{task_id}")


async def answered(act: str, task_id: str, desk: Desk) -> dict[str, tuple[Json, int]]:
    """The open one, as this act answers it."""
    if act not in ANSWERED:
        return {}
    found = await desk.search("Task", ("focus", f"Task/{task_id}"), ("code", f"{TASK_CODE}|abort"))
    return {
        f"Task/{task['id']}": (task | {"status": ANSWERED[act]}, version)
        for task, version in found
        if task.get("status") == "requested"
    }


def _bare(task: Json) -> Json:
    return {name: value for name, value in task.items() if name != "meta"}
