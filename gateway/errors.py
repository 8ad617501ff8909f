"""Every answer that the gateway makes itself is an OperationOutcome: one handler, no stack trace.

http://hl7.org/fhir/R4/operationoutcome.html
"""

from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.limits import BodyTooLargeError
from services.fhir.outcomes import (
    FhirError,
    Issue,
    internal_error,
    method_not_allowed,
    not_found,
    operation_outcome,
    too_large,
    unavailable,
)
from services.kit.database import DatabaseUnavailable
from services.kit.logging import log_failure
from services.kit.peers import PeerAnswer, PeerUnavailable

_JSON = (b"content-type", b"application/fhir+json")
_RETRY = {"Retry-After": "1"}


def bad_gateway(diagnostics: str) -> FhirError:
    return FhirError(502, (Issue("error", "exception", diagnostics, "后端服务应答异常，请稍后重试"),))


def answer_to(error: Exception, request_id: str) -> PeerAnswer:
    """Return the answer that tells a client of an error, whatever the error is."""
    known = _fhir_error(error)
    if known is None:
        log_failure("request.failed", error, request_id=request_id)
        known = internal_error("Something went wrong that nobody expected; the request id finds it in the log")
    headers = [(name.lower().encode(), value.encode()) for name, value in known.headers.items()]
    return PeerAnswer(known.status, [_JSON, *headers], operation_outcome(known.issues))


def as_response(answer: PeerAnswer) -> Response:
    return Response(answer.body, answer.status, {name.decode(): value.decode() for name, value in answer.headers})


def _fhir_error(error: Exception) -> FhirError | None:
    known: FhirError | None = None
    match error:
        case FhirError():
            known = error
        case BodyTooLargeError():
            known = too_large(f"The body may hold {error.cap} bytes")
        case PeerUnavailable():
            known = unavailable(f"The service {error.service} cannot be reached", headers=_RETRY)
        case DatabaseUnavailable():
            known = unavailable("The database cannot be reached", headers=_RETRY)
        case HTTPException(status_code=405):
            known = method_not_allowed("Not with this method")
        case HTTPException():
            known = not_found("No such path", text="网址不存在")
    return known
