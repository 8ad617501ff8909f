"""The patch interaction, and conditional patch: http://hl7.org/fhir/R4/http.html#patch"""

from typing import cast

from services.fhir.interactions.answers import of_write
from services.fhir.interactions.conditional import write_where
from services.fhir.interactions.prepare import Intent, prepare_patch
from services.fhir.patch import patch_type
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store


async def patch(request: FhirRequest, service: Service) -> Answer:
    """When another commit came first and no If-Match stands against it, the patch is applied to what is there now."""
    intent = _intent(request)

    async def work(store: Store) -> Stored:
        stored = store.put(await prepare_patch(intent, store, service))
        store.audit(request.audit("patch", 200, of=stored))
        return stored

    return of_write(request, await service.stores.committing(work), service.base)


async def conditional_patch(request: FhirRequest, service: Service) -> Answer:
    service.check(request.type, "patch")
    stored = await write_where(_intent(request), "patch", request, service)
    return of_write(request, cast("Stored", stored), service.base)  # what nothing matches is 404


def _intent(request: FhirRequest) -> Intent:
    kind = patch_type(request.header(b"content-type"))
    return Intent("PATCH", request.type, request.id, request.body, request.if_match, request.if_none_match, patch=kind)
