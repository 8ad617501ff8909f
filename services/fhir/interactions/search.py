"""The search-type interaction, by GET and by POST _search: http://hl7.org/fhir/R4/http.html#search"""

from urllib.parse import quote, urlencode

from services.fhir.bundle import bundle, outcome_entry, search_entry
from services.fhir.headers import is_strict
from services.fhir.interactions.codes import with_codes
from services.fhir.outcomes import Issue, operation_outcome, unsupported_media
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.search.query import SearchQuery
from services.fhir.service import Service
from services.fhir.store.search import MAX_INCLUDED, Page


async def search(request: FhirRequest, service: Service) -> Answer:
    service.check(request.type, "search-type")
    query = await with_codes(_query(request, service), service)
    page = await service.stores.reading(lambda store: store.search(query))
    await service.stores.audit_log.record(request.audit("search-type", 200, query=urlencode(request.parameters)))
    entries = [
        *(search_entry(stored, service.base, "match") for stored in page.matches),
        *(search_entry(stored, service.base, "include") for stored in page.included),
        *(outcome_entry(operation_outcome(told)) for told in [_told(query, page)] if told),
    ]
    return Answer(200, bundle("searchset", entries, links=_links(query, page, service.base), total=page.total))


async def search_by_post(request: FhirRequest, service: Service) -> Answer:
    """Parameters in URL and body count together: http://hl7.org/fhir/R4/http.html#search"""
    if request.body and not request.is_form:
        raise unsupported_media("POST _search takes application/x-www-form-urlencoded", text="请以表单编码提交查询参数")
    return await search(request, service)


def _query(request: FhirRequest, service: Service) -> SearchQuery:
    return parse_search(
        request.type,
        request.parameters,
        strict=is_strict(request.prefer),
        base=service.base,
        zone=service.zone,
        now=request.at,
    )


def _links(query: SearchQuery, page: Page, base: str) -> list[tuple[str, str]]:
    """The self link lists exactly what was used; the next link is it and a place."""
    used = urlencode(query.used, quote_via=quote, safe="/:|,$*-")
    own = f"{base}/{query.type}" + (f"?{used}" if used else "")
    if page.next is None:
        return [("self", own)]
    place = urlencode(
        [*((k, v) for k, v in query.used if k != "_cursor"), ("_cursor", page.next)], quote_via=quote, safe="/:|,$*-"
    )
    return [("self", own), ("next", f"{base}/{query.type}?{place}")]


def _told(query: SearchQuery, page: Page) -> list[Issue]:
    issues = [
        Issue("warning", "not-supported", f"Ignored the unknown parameter {name}", f"已忽略未知参数 {name}")
        for name in query.ignored
    ]
    if page.truncated:
        issues.append(
            Issue(
                "warning",
                "incomplete",
                f"Only {MAX_INCLUDED} included resources are listed",
                f"关联资源超过 {MAX_INCLUDED} 条，未全部列出",
            )
        )
    return issues
