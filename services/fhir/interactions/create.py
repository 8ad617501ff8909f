"""The create interaction: http://hl7.org/fhir/R4/http.html#create"""

from services.fhir.interactions.answers import of_write
from services.fhir.interactions.prepare import Intent, prepare_create
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store


async def create(request: FhirRequest, service: Service) -> Answer:
    """The id in the body is ignored, the server assigns one."""
    request.check_json_body()
    intent = Intent("POST", request.type, body=request.body)

    async def work(store: Store) -> Stored:
        stored = store.put(prepare_create(intent, service))
        store.audit(request.audit("create", 201, of=stored))
        return stored

    return of_write(request, await service.stores.committing(work), service.base)
