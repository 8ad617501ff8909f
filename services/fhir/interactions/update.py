"""The update interaction, update-as-create and conditional update: http://hl7.org/fhir/R4/http.html#update"""

from services.fhir.interactions.answers import written
from services.fhir.interactions.commit import write
from services.fhir.interactions.conditional import write_where
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.raw import received
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def update(request: FhirRequest, service: Service) -> Answer:
    """Without If-Match the last writer wins, on top of the version that is there when it commits: no version is lost."""
    return await write(_intent(request), service, written("update", request, service))


async def conditional_update(request: FhirRequest, service: Service) -> Answer:
    """http://hl7.org/fhir/R4/http.html#cond-update"""
    service.check(request.type, "update")
    return await write_where(_intent(request), "update", request, service)


def _intent(request: FhirRequest) -> Intent:
    return Intent("PUT", request.type, request.id, received(request), request.if_match, request.if_none_match)
