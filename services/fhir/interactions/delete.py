"""The delete interaction: http://hl7.org/fhir/R4/http.html#delete"""

from services.fhir.interactions.prepare import Intent, prepare_delete
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store


async def delete(request: FhirRequest, service: Service) -> Answer:
    """204 also for what is gone or never was, and then nothing is written."""
    intent = Intent("DELETE", request.type, request.id, if_match=request.if_match)

    async def work(store: Store) -> Stored | None:
        write = await prepare_delete(intent, store, service)
        stored = store.put(write) if write else None
        store.audit(request.audit("delete", 204, of=stored))
        return stored

    stored = await service.stores.committing(work)
    return Answer(204, b"", ((b"etag", stored.etag.encode()),) if stored else ())
