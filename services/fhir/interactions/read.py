"""The read interaction: http://hl7.org/fhir/R4/http.html#read"""

import msgspec

from services.fhir.headers import etags, parse_http_date
from services.fhir.interactions.answers import of_stored, present, version_headers
from services.fhir.interactions.raw import native
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.view import requested_view, viewed


async def read(request: FhirRequest, service: Service) -> Answer:
    service.check(request.type, "read")
    stored = await service.stores.read(request.type, request.id)
    status = 404 if stored is None else 410 if stored.is_deleted else 200
    await service.stores.audit_log.record(request.audit("read", status, of=stored))
    stored = present(stored, request.type)
    return not_modified(stored) if _is_known(request, stored) else native(request, of_stored(seen(request, stored)))


def seen(request: FhirRequest, stored: Stored) -> Stored:
    """The part that `_summary` and `_elements` ask for: http://hl7.org/fhir/R4/http.html#parameters"""
    if "_summary=" not in request.query and "_elements=" not in request.query:
        return stored
    view = requested_view(request.type, request.parameters)
    return msgspec.structs.replace(stored, body=viewed(stored.body, view)) if view and stored.body else stored


def _is_known(request: FhirRequest, stored: Stored) -> bool:
    """http://hl7.org/fhir/R4/http.html#cread; If-Modified-Since counts only without If-None-Match: RFC 9110 §13.1.3"""
    if_none_match = request.if_none_match
    if if_none_match is None:
        since = parse_http_date(request.header(b"if-modified-since"))
        return since is not None and stored.updated.replace(microsecond=0) <= since
    known = etags(if_none_match)
    return known is None or str(stored.version) in known


def not_modified(stored: Stored) -> Answer:
    return Answer(304, b"", version_headers(stored))
