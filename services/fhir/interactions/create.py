"""The create interaction, and conditional create: http://hl7.org/fhir/R4/http.html#create"""

from services.fhir.interactions.answers import written
from services.fhir.interactions.commit import Finish, Written, carry_out, write
from services.fhir.interactions.conditional import look, read_criteria
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.one_person import answer_known
from services.fhir.interactions.prepare import Prepared, prepare
from services.fhir.interactions.raw import received
from services.fhir.outcomes import bad_request
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.grants import KnownPerson
from services.fhir.store.store import Store


async def create(request: FhirRequest, service: Service) -> Answer:
    """The id in the body is ignored, the server assigns one; a person whom the caller can see already is not made twice."""
    body = received(request)
    if request.criteria:
        raise bad_request(
            "A create has no criteria in its URL; those of a conditional create stand in If-None-Exist",
            code="value",
            text="新建请求的网址中不能带条件；有条件的新建请使用 If-None-Exist",
        )
    if request.if_none_exist is not None:
        return await _create_unless(request.if_none_exist, body, request, service)
    intent = Intent("POST", request.type, body=body)
    try:
        return await write(intent, service, written("create", request, service))
    except KnownPerson as known:
        return await answer_known(known, request, service)


async def _create_unless(text: str, body: bytes, request: FhirRequest, service: Service) -> Answer:
    """http://hl7.org/fhir/R4/http.html#ccreate: what matches is answered, and nothing is written."""
    service.check(request.type, "create")
    criteria = read_criteria(request.type, text, request.at, request.caller, service)
    intent = Intent("POST", request.type, body=body)
    answer = written("create", request, service)

    async def plan(store: Store) -> tuple[Prepared, Finish[Answer]]:
        found = await look(criteria, store)

        def finish(store: Store, made: Written) -> Answer:
            if found.one is None:
                store.claim(found.claim)
            return answer(store, made.get(0) or found.one)

        return await prepare({0: intent} if found.one is None else {}, store, service), finish

    async with service.stores.door(criteria.key):
        return await carry_out(plan, service)
