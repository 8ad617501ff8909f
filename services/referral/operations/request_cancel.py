"""Task/$request-cancel 申请终止: an abort Task with this focus is made with it (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.elements import concept
from services.fhir.operations.inputs import Inputs
from services.referral.codes import TASK_CODE
from services.referral.operations.acting import Making, Part, act_operation

Json = dict[str, Any]


def _abort(task: Json, _inputs: Inputs, making: Making) -> Json:
    asked = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": concept(TASK_CODE, "abort", "申请终止"),
        "focus": {"reference": f"Task/{task['id']}"},
        "for": task["for"],
        "authoredOn": making.request.at.astimezone(making.service.zone).isoformat(),
        "requester": task["requester"],
        "owner": task["owner"],
    }
    making.add(asked | ({"reasonCode": task["statusReason"]} if "statusReason" in task else {}))
    return task


OPERATION: Final = act_operation("request-cancel", Part("reason", "reason"), extra=_abort)
