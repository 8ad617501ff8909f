"""Subscription/$topics: what one can subscribe to, and how it may be narrowed: http://hl7.org/fhir/R5/subscriptiontopic.html"""

import msgspec

from services.fhir.bundle import bundle
from services.fhir.operations.inputs import read_inputs
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.subscriptions.topics import TOPICS, published


async def topics(request: FhirRequest, service: Service) -> Answer:
    read_inputs(request).check_known(())
    await service.stores.audit_log.record(request.audit("topics", 200))
    entries = [f'{{"resource":{msgspec.json.encode(published(topic)).decode()}}}' for topic in TOPICS]
    return Answer(200, bundle("collection", entries))
