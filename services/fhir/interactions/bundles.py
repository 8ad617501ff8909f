"""POST to the base: a batch or a transaction: http://hl7.org/fhir/R4/http.html#transaction"""

from services.fhir.interactions.batch import batch
from services.fhir.interactions.envelope import open_envelope
from services.fhir.interactions.transaction import transaction
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def post_bundle(request: FhirRequest, service: Service) -> Answer:
    request.check_json_body()
    envelope = open_envelope(request.body, service.base, service.max_entries)
    if envelope.kind == "transaction":
        return await transaction(request, service, envelope.entries)
    return await batch(request, service, envelope)
