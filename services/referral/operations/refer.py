"""ServiceRequest/$refer 发起转诊: `request`, `package`, `consent` (or `waiver`) become a submitted referral in one commit (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.elements import id_in
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.referral.operations.acting import OURS, Making
from services.referral.operations.referring import submit, support_of, task_of

Json = dict[str, Any]

KNOWN: Final = frozenset({"request", "package", "consent", "waiver"})


async def refer(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(KNOWN)
    return await refer_with(inputs, request, service)


async def refer_with(inputs: Inputs, request: FhirRequest, service: Service) -> Answer:
    """One Task for each institution among the performers; the answer is the first one's."""
    order = inputs.resource("request", "ServiceRequest")
    if order is None:
        raise invalid("request", "the ServiceRequest", "须提交转诊申请")
    owners = [each for each in order.get("performer", ()) if id_in(each, "Organization")]
    if not owners:
        raise invalid("request", "an Organization among the performers", "申请须指明接收机构")
    making = Making(request, service, id_in(order.get("subject"), "Patient"), {})
    support = support_of(inputs, making)
    packages = [each["valueReference"] for each in support if "valueReference" in each]
    order = order | {"status": "active"} | ({"supportingInfo": packages} if packages else {})
    focus = making.add(order)
    for owner in owners:
        making.add(task_of(order, focus, owner, support, making))
    return await submit("refer", making, [])


OPERATION: Final = Operation(
    "refer",
    f"{OURS}/ServiceRequest-refer",
    ("type",),
    ("ServiceRequest",),
    refer,
    affects_state=True,
    letters="c",
)
