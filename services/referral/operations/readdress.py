"""Task/$readdress 改投: a rejected referral goes to another `performer`, by a new Task of the same request (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.elements import codes_in, id_in, reference_in
from services.fhir.operations.inputs import invalid, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.referral.codes import INPUT, is_referral
from services.referral.operations.acting import OURS, Making, current
from services.referral.operations.referring import submit, support_of, task_of
from services.referral.parties import actors_of
from services.referral.states import state_of
from services.referral.workflow import actions, refused

Json = dict[str, Any]


async def readdress(request: FhirRequest, service: Service) -> Answer:
    """What the first institution was sent goes to the second one too; the consent has to name it."""
    inputs = read_inputs(request)
    inputs.check_known({"performer", "package", "consent", "waiver"})
    _, task = await current(request.id, service)
    actors = actors_of(request.caller, task)
    if not is_referral(task) or state_of(task) != "rejected" or "P" not in actors:
        raise refused(state_of(task), "submitted", actions(task, actors), " by readdress")
    owner = inputs.element("performer")
    if id_in(owner, "Organization") is None:
        raise invalid("performer", "a reference to an Organization", "须指明新的接收机构")
    making = Making(request, service, id_in(task.get("for"), "Patient"), {})
    support = support_of(inputs, making)
    new = {code for each in support for code in codes_in(each["type"], INPUT)}
    kept = [each for each in task.get("input", ()) if not new & {*codes_in(each.get("type"), INPUT)}]
    made = task_of({"subject": task["for"]}, reference_in(task.get("focus")), owner or {}, [*kept, *support], making)
    making.add(made)
    return await submit("readdress", making, [])


OPERATION: Final = Operation(
    "readdress", f"{OURS}/Task-readdress", ("instance",), ("Task",), readdress, affects_state=True, letters="u"
)
