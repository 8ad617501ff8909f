"""From a path with a `$name` to the operation that it means: http://hl7.org/fhir/R4/operations.html#executing"""

from services.fhir.headers import check_accept
from services.fhir.operations import OPERATIONS, Level, Operation
from services.fhir.outcomes import method_not_allowed, not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def invoke(request: FhirRequest, service: Service) -> Answer:
    operation = _operation(request, service)
    if not operation.media:
        check_accept(request.header(b"accept"), request.query)
    if request.type:
        service.check(request.type, "read")
    if request.method not in operation.methods:
        raise method_not_allowed(
            f"${operation.name} is invoked by {' or '.join(operation.methods)}",
            headers={"Allow": ", ".join(operation.methods)},
        )
    return await operation.handler(request, service)


def _operation(request: FhirRequest, service: Service) -> Operation:
    level: Level = "instance" if request.id else "type" if request.type else "system"
    own: tuple[Operation, ...] = service.operations
    for operation in (
        *OPERATIONS.get(request.operation, ()),
        *(each for each in own if each.name == request.operation),
    ):
        if operation.is_for(request.type, level):
            return operation
    raise not_found(f"No operation ${request.operation} here", code="not-supported", text="此处不支持该操作")
