"""The vread interaction: http://hl7.org/fhir/R4/http.html#vread"""

import re

from services.fhir.interactions.answers import of_stored, present
from services.fhir.interactions.raw import native
from services.fhir.interactions.read import seen
from services.fhir.outcomes import not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")  # as this server writes it, and as PostgreSQL's bigint holds it


async def vread(request: FhirRequest, service: Service) -> Answer:
    service.check(request.type, "vread")
    if not _NUMBER.fullmatch(request.version):
        raise not_found(f"No such version of this {request.type}", text="未找到该版本")
    number = int(request.version)
    stored = await service.stores.reading(lambda store: store.vread(request.type, request.id, number))
    status = 404 if stored is None else 410 if stored.is_deleted else 200
    await service.stores.audit_log.record(request.audit("vread", status, of=stored))
    stored = present(stored, request.type)
    return native(request, of_stored(seen(request, stored)))
