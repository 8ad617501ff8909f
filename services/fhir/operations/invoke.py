"""From a path with a `$name` to the operation that it means: http://hl7.org/fhir/R4/operations.html#executing"""

import base64

import msgspec

from services.fhir.headers import check_accept
from services.fhir.operations import OPERATIONS, Level, Operation
from services.fhir.outcomes import method_not_allowed, not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import ANY
from services.fhir.service import Service
from services.fhir.within_scopes import check_operation


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
    _check_scope(operation, request)
    answer = await operation.handler(request, service)
    return _as_binary(answer) if operation.media and request.is_entry else answer


def _check_scope(operation: Operation, request: FhirRequest) -> None:
    """Whoever forwards it, the gateway or a batch, may not know what the operations of each service need; the owner does."""
    kind = request.type or ANY
    check_operation(request.caller, operation.name, kind, operation.letters)


def _as_binary(answer: Answer) -> Answer:
    """A page inside of a Bundle is a Binary: http://hl7.org/fhir/R4/binary.html#rest"""
    kind = next((value.decode() for name, value in answer.headers if name == b"content-type"), "")
    if not kind:
        return answer
    data = base64.b64encode(answer.body).decode()
    return Answer(answer.status, msgspec.json.encode({"resourceType": "Binary", "contentType": kind, "data": data}))


def leaves_something(request: FhirRequest, service: Service) -> bool:
    """Is there something of the operation to remember?"""
    return _operation(request, service).is_remembered


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
