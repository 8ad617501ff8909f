"""The update interaction, update-as-create and conditional update: http://hl7.org/fhir/R4/http.html#update"""

from typing import cast

from services.fhir.interactions.answers import of_write
from services.fhir.interactions.conditional import write_where
from services.fhir.interactions.prepare import Intent, prepare_update
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store


async def update(request: FhirRequest, service: Service) -> Answer:
    """Without If-Match the last writer wins, on top of the version that is there when it commits: no version is lost."""
    request.check_json_body()
    intent = _intent(request)

    async def work(store: Store) -> Stored:
        stored = store.put(await prepare_update(intent, store, service))
        store.audit(request.audit("update", 201 if stored.is_created else 200, of=stored))
        return stored

    return of_write(request, await service.stores.committing(work), service.base)


async def conditional_update(request: FhirRequest, service: Service) -> Answer:
    """http://hl7.org/fhir/R4/http.html#cond-update"""
    request.check_json_body()
    service.check(request.type, "update")
    stored = await write_where(_intent(request), "update", request, service)
    return of_write(request, cast("Stored", stored), service.base)  # an update always writes


def _intent(request: FhirRequest) -> Intent:
    return Intent("PUT", request.type, request.id, request.body, request.if_match, request.if_none_match)
