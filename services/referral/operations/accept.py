"""Task/$accept 同意接收: receiving `department` and `physician`, and the `window` of arrival (docs/referral-workflow.md)."""

from datetime import timedelta
from typing import Any, Final

from services.fhir.request import FhirRequest
from services.fhir.service import Service
from services.referral.clocks import DEFAULTS, PRIORITIES
from services.referral.operations.acting import Part, act_operation

Json = dict[str, Any]


def _window(task: Json, request: FhirRequest, service: Service) -> Json:
    """From now, as long as the default clock of arrival is: the agreement's own has to be said."""
    priority = task.get("priority", "routine")
    length = DEFAULTS["arrive"][PRIORITIES.index(priority)] or timedelta(0)
    start = request.at.astimezone(service.zone)
    return {"valuePeriod": {"start": start.isoformat(), "end": (start + length).isoformat()}}


OPERATION: Final = act_operation(
    "accept",
    Part("department", "output"),
    Part("physician", "output"),
    Part("window", "output", "arrival-window", default=_window),
)
