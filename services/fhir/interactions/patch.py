"""The patch interaction, and conditional patch: http://hl7.org/fhir/R4/http.html#patch"""

from services.fhir.interactions.answers import written
from services.fhir.interactions.commit import write
from services.fhir.interactions.conditional import write_where
from services.fhir.interactions.intent import Intent
from services.fhir.patch import patch_type
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def patch(request: FhirRequest, service: Service) -> Answer:
    """When another commit came first and no If-Match stands against it, the patch is applied to what is there now."""
    return await write(_intent(request), service, written("patch", request, service))


async def conditional_patch(request: FhirRequest, service: Service) -> Answer:
    service.check(request.type, "patch")
    return await write_where(_intent(request), "patch", request, service)


def _intent(request: FhirRequest) -> Intent:
    kind = patch_type(request.header(b"content-type"))
    return Intent("PATCH", request.type, request.id, request.body, request.if_match, request.if_none_match, patch=kind)
