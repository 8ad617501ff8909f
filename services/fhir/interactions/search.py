"""The search-type interaction, by GET and by POST _search: http://hl7.org/fhir/R4/http.html#search"""

from services.fhir.headers import is_strict
from services.fhir.interactions.audit_period import with_period
from services.fhir.interactions.sealed import asked
from services.fhir.interactions.searchset import answer
from services.fhir.outcomes import unsupported_media
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.service import Service


async def search(request: FhirRequest, service: Service) -> Answer:
    service.check(request.type, "search-type")
    parameters = asked(request, service)
    if request.type == "AuditEvent":
        parameters = with_period(parameters, request.at, service.zone)
    query = parse_search(
        request.type,
        parameters,
        strict=is_strict(request.prefer),
        base=service.base,
        zone=service.zone,
        now=request.at,
    )
    return await answer(query, request, service)


async def search_by_post(request: FhirRequest, service: Service) -> Answer:
    check_form(request)
    return await search(request, service)


def check_form(request: FhirRequest) -> None:
    """Parameters in URL and body count together: http://hl7.org/fhir/R4/http.html#search"""
    if request.body and not request.is_form:
        raise unsupported_media("POST _search takes application/x-www-form-urlencoded", text="请以表单编码提交查询参数")
