"""The create interaction, and conditional create: http://hl7.org/fhir/R4/http.html#create"""

from services.fhir.interactions.answers import of_write
from services.fhir.interactions.conditional import look, read_criteria
from services.fhir.interactions.prepare import Intent, prepare_create
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store


async def create(request: FhirRequest, service: Service) -> Answer:
    """The id in the body is ignored, the server assigns one."""
    request.check_json_body()
    if request.if_none_exist is not None:
        return await _create_unless(request.if_none_exist, request, service)
    intent = Intent("POST", request.type, body=request.body)

    async def work(store: Store) -> Stored:
        stored = store.put(prepare_create(intent, service))
        store.audit(request.audit("create", 201, of=stored))
        return stored

    return of_write(request, await service.stores.committing(work), service.base)


async def _create_unless(text: str, request: FhirRequest, service: Service) -> Answer:
    """http://hl7.org/fhir/R4/http.html#ccreate: what matches is answered, and nothing is written."""
    service.check(request.type, "create")
    criteria = read_criteria(request.type, text, request.at, request.caller, service)
    intent = Intent("POST", request.type, body=request.body)

    async def work(store: Store) -> Stored:
        found = await look(criteria, store)
        if found.one is not None:
            store.audit(request.audit("create", 200, of=found.one))
            return found.one
        store.claim(found.claim)
        stored = store.put(prepare_create(intent, service))
        store.audit(request.audit("create", 201, of=stored))
        return stored

    async with service.stores.door(criteria.key):
        stored = await service.stores.committing(work)
    return of_write(request, stored, service.base)
