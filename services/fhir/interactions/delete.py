"""The delete interaction, and conditional delete of one: http://hl7.org/fhir/R4/http.html#delete"""

from services.fhir.interactions.conditional import write_where
from services.fhir.interactions.prepare import Intent, prepare_delete
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store


async def delete(request: FhirRequest, service: Service) -> Answer:
    """204 also for what is gone or never was, and then nothing is written."""
    intent = _intent(request)

    async def work(store: Store) -> Stored | None:
        write = await prepare_delete(intent, store, service)
        stored = store.put(write) if write else None
        store.audit(request.audit("delete", 204, of=stored))
        return stored

    return _answer(await service.stores.committing(work))


async def conditional_delete(request: FhirRequest, service: Service) -> Answer:
    """http://hl7.org/fhir/R4/http.html#3.1.0.7.1: 204 also when nothing matches; of several none is deleted, 412."""
    service.check(request.type, "delete")
    return _answer(await write_where(_intent(request), "delete", request, service))


def _intent(request: FhirRequest) -> Intent:
    return Intent("DELETE", request.type, request.id, b"", request.if_match, request.if_none_match)


def _answer(stored: Stored | None) -> Answer:
    return Answer(204, b"", ((b"etag", stored.etag.encode()),) if stored else ())
