"""The answer to a search: http://hl7.org/fhir/R4/search.html#return"""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

from services.fhir.bundle import bundle, outcome_entry, search_entry, text
from services.fhir.interactions.audit_period import check_no_detour
from services.fhir.interactions.codes import with_codes
from services.fhir.interactions.sealed import Parameters, asked, sealed, stood_in_url
from services.fhir.outcomes import Issue, bad_request, forbidden, operation_outcome
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import ANY, READ, permissions
from services.fhir.search.query import SearchQuery, View, types_in
from services.fhir.service import Service
from services.fhir.store.query import bound_patient
from services.fhir.store.rows import Stored
from services.fhir.store.search import MAX_INCLUDED, Page
from services.fhir.store.tables import stored_types
from services.fhir.view import contained_in, viewed
from services.fhir.within_scopes import check_may_search

_SAFE: Final = "/:|,$*-"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_PLAIN_IN_LINKS: Final = re.compile(r"[A-Za-z0-9_.~/:|,$*-]*").fullmatch


async def answer(query: SearchQuery, request: FhirRequest, service: Service) -> Answer:
    """Search and tell; the audit row is durable before the answer leaves."""
    allowed = await with_codes(_within_scopes(query, request), service)
    page = await _page(allowed, service)
    about = _patients(page, query, request)
    text = encoded(asked(request, service), quote_plus, _PLAIN)
    await service.stores.audit_log.record(request.audit("search-type", 200, about=about, query=text))
    entries = [
        *_matches(page, query.view, service.base),
        *(search_entry(_seen(stored, _of_included(query.view)), service.base, "include") for stored in page.included),
        *(outcome_entry(operation_outcome(told)) for told in [_told(query, page)] if told),
    ]
    return Answer(200, bundle("searchset", entries, links=_links(query, page, request, service), total=page.total))


async def _page(query: SearchQuery, service: Service) -> Page:
    """A search that takes too long is broken off, in the database too: http://hl7.org/fhir/R4/valueset-issue-type.html"""
    try:
        async with asyncio.timeout(service.search_seconds):
            return await service.stores.reading(lambda store: store.search(query))
    except TimeoutError as error:
        raise bad_request(
            f"The search took longer than {service.search_seconds:g} s; ask for less",
            code="too-costly",
            text="检索耗时过长，请缩小检索范围",
        ) from error


def _patients(page: Page, query: SearchQuery, request: FhirRequest) -> Iterator[str | None]:
    """About whom the answer tells: whom it was asked about, and whose resources it shows."""
    yield bound_patient(query)
    if request.type == "Patient" and request.id:
        yield request.id
    yield from (stored.patient for stored in (*page.matches, *page.included))


def _within_scopes(query: SearchQuery, request: FhirRequest) -> SearchQuery:
    """Whoever asks by another type's resources learns of them, so that needs a scope too; what is included must be readable."""
    granted = permissions(request.caller.scopes)
    check_may_search(request.caller, types_in(query))
    check_no_detour(query)
    if granted.allow(ANY, READ) or not (query.includes or query.revincludes or query.inside):
        return query
    readable = frozenset(t for t in stored_types() if granted.allow_some(t, READ))
    if not readable and query.inside:
        raise forbidden("The token's scopes cover no type that could contain others", text="令牌权限不足")
    return msgspec.structs.replace(query, readable=readable)


def _matches(page: Page, view: View | None, base: str) -> Iterator[str]:
    if not page.inside:
        yield from (search_entry(_seen(stored, view), base, "match") for stored in page.matches)
        return
    for stored, inner in zip(page.matches, page.inside, strict=True):
        yield _inner_entry(stored, inner, view, base) if inner else search_entry(_seen(stored, view), base, "match")


def _inner_entry(stored: Stored, inner: str, view: View | None, base: str) -> str:
    """A contained resource told by itself: http://hl7.org/fhir/R4/search.html#contained"""
    body = contained_in(stored.body or "", inner)
    resource = viewed(body, view) if view else body
    url = text(f"{base}/{stored.type}/{stored.id}#{inner}")
    return f'{{"fullUrl":{url},"resource":{resource},"search":{{"mode":"match"}}}}'


def _seen(stored: Stored, view: View | None) -> Stored:
    return msgspec.structs.replace(stored, body=viewed(stored.body, view)) if view and stored.body else stored


def _of_included(view: View | None) -> View | None:
    """Elements are listed for the matches only: http://hl7.org/fhir/R4/search.html#elements"""
    return view if view and view.summary else None


def _links(query: SearchQuery, page: Page, request: FhirRequest, service: Service) -> list[tuple[str, str]]:
    """The self link lists exactly what was used; the next link is it and a place, and names nobody."""
    path = query.path or query.type
    own = f"{service.base}/{path}" if path else service.base
    used = sealed(query, service.stores.cursor_key)
    links = [("self", _with(own, query.used if stood_in_url(query, request) else used))]
    if page.next is not None:
        links.append(("next", _with(own, (*used, ("_cursor", page.next)))))
    return links


def _with(url: str, parameters: Parameters) -> str:
    return f"{url}?{encoded(parameters, _quoted, _PLAIN_IN_LINKS)}" if parameters else url


def _quoted(value: str) -> str:
    return quote(value, _SAFE)


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


def encoded(parameters: Parameters, quoted: Callable[[str], str], is_plain: Callable[[str], object]) -> str:
    """What `urlencode` gives, without a look at what needs none: most names, ids and dates."""
    return "&".join([f"{n if is_plain(n) else quoted(n)}={v if is_plain(v) else quoted(v)}" for n, v in parameters])
