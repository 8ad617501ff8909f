"""$meta of one resource, of a type and of the whole server: http://hl7.org/fhir/R4/resource-operation-meta.html"""

from services.fhir.interactions.answers import present, version_headers
from services.fhir.operations.inputs import Json, parameters, read_inputs
from services.fhir.operations.labels import meta_of
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import permissions
from services.fhir.service import Service
from services.fhir.store.labels import labels_in_use


async def meta(request: FhirRequest, service: Service) -> Answer:
    read_inputs(request).check_known(())
    return await (_of_instance if request.id else _in_use)(request, service)


async def _of_instance(request: FhirRequest, service: Service) -> Answer:
    stored = await service.stores.reading(lambda store: store.read(request.type, request.id))
    status = 404 if stored is None else 410 if stored.is_deleted else 200
    await service.stores.audit_log.record(request.audit("meta", status, of=stored))
    stored = present(stored, request.type)
    answer = parameters({"name": "return", "valueMeta": meta_of(stored)})
    return Answer(200, answer.body, version_headers(stored))


async def _in_use(request: FhirRequest, service: Service) -> Answer:
    """What can be searched for by `_profile`, `_tag` and `_security`, in the types that the caller may search."""
    allowed = permissions(request.caller.scopes)
    types = [request.type] if request.type else [t for t in await service.all_types() if allowed.allow_some(t, "s")]
    found = await labels_in_use(service.stores, types)
    await service.stores.audit_log.record(request.audit("meta", 200))
    summary: Json = {"profile": list(found.profiles)} if found.profiles else {}
    for name, codings in (("security", found.security), ("tag", found.tags)):
        if codings:
            summary[name] = [{"system": s, "code": c} if s else {"code": c} for s, c in codings]
    return parameters({"name": "return", **({"valueMeta": summary} if summary else {})})
