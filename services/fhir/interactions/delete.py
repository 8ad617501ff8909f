"""The delete interaction, and conditional delete of one: http://hl7.org/fhir/R4/http.html#delete"""

from services.fhir.interactions.answers import written
from services.fhir.interactions.commit import write
from services.fhir.interactions.conditional import write_where
from services.fhir.interactions.intent import Intent
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def delete(request: FhirRequest, service: Service) -> Answer:
    """204 also for what is gone or never was, and then nothing is written."""
    return await write(_intent(request), service, written("delete", request, service))


async def conditional_delete(request: FhirRequest, service: Service) -> Answer:
    """http://hl7.org/fhir/R4/http.html#3.1.0.7.1: 204 also when nothing matches; of several none is deleted, 412."""
    service.check(request.type, "delete")
    return await write_where(_intent(request), "delete", request, service)


def _intent(request: FhirRequest) -> Intent:
    return Intent("DELETE", request.type, request.id, b"", request.if_match, request.if_none_match)
