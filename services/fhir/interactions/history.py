"""The history interaction of an instance, a type and the system: http://hl7.org/fhir/R4/http.html#history"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from services.fhir.bundle import bundle, history_entry
from services.fhir.interactions.answers import unknown
from services.fhir.outcomes import bad_request
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.dates import parse_range
from services.fhir.service import Service
from services.fhir.store.cursors import seal, unseal
from services.fhir.store.history import HistoryQuery
from services.fhir.store.rows import Stored

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 1000
_PLACE: Final = ("timestamptz", "text", "text", "bigint")
_PASSED_OVER: Final = frozenset({"_format", "_pretty"})
_UNDERSTOOD: Final = frozenset({"_count", "_since", "_at", "_cursor"})


class _Asked(msgspec.Struct, frozen=True):
    count: int = DEFAULT_COUNT
    since: str = ""
    at: str = ""
    cursor: str = ""

    @property
    def used(self) -> list[tuple[str, str]]:
        given = (("_count", str(self.count)), ("_since", self.since), ("_at", self.at))
        return [(name, value) for name, value in given if value]


async def history(request: FhirRequest, service: Service) -> Answer:
    """Newest first. A deletion is an entry without a resource; an id that never was is 404."""
    if request.type:
        service.check(request.type, "history-instance" if request.id else "history-type")
    asked = _asked(request.parameters)
    path = "/".join(part for part in (request.type, request.id, "_history") if part)
    query = _query(request, asked, path, service)
    versions = await service.stores.reading(lambda store: store.history(query))
    is_unknown = bool(request.id) and not versions.found and not (asked.cursor or asked.since or asked.at)
    about = (version.patient for version in versions.found)
    level = "instance" if request.id else "type" if request.type else "system"
    row = request.audit(f"history-{level}", 404 if is_unknown else 200, about=about, query=request.query)
    await service.stores.audit_log.record(row)
    if is_unknown:
        raise unknown(request.type)
    shown = versions.found[: asked.count]
    links = _links(asked, path, shown if len(versions.found) > asked.count else (), service)
    entries = [history_entry(v, service.base) for v in shown]
    return Answer(200, bundle("history", entries, links=links, updated=versions.until))


def _query(request: FhirRequest, asked: _Asked, path: str, service: Service) -> HistoryQuery:
    since = _range("_since", asked.since, service)
    return HistoryQuery(
        types=(request.type,) if request.type else (),
        id=request.id or None,
        count=asked.count,
        since=since and since[0],
        at=_range("_at", asked.at, service),
        after=_after(asked, path, service),
    )


def _asked(parameters: Sequence[tuple[str, str]]) -> _Asked:
    given = {name: value for name, value in parameters if value and name not in _PASSED_OVER}
    if unknown_names := given.keys() - _UNDERSTOOD:
        raise bad_request(
            f"_history takes _count, _since and _at, not {min(unknown_names)}",
            code="not-supported",
            text="历史查询不支持该参数",
        )
    count = given.get("_count", str(DEFAULT_COUNT))
    if not (count.isascii() and count.isdigit()) or int(count[:9]) < 1:
        raise bad_request("_count: a positive number", code="value", text="_count 应为正整数")
    since, at, cursor = (given.get(name, "") for name in ("_since", "_at", "_cursor"))
    return _Asked(min(int(count[:9]), MAX_COUNT), since, at, cursor)


def _range(name: str, text: str, service: Service) -> tuple[datetime, datetime] | None:
    """A `+` of a zone that was sent unencoded has become a space."""
    if not text:
        return None
    try:
        return parse_range(text.replace(" ", "+"), service.zone)
    except ValueError as error:
        raise bad_request(f"{name}: not a date or instant", code="value", text=f"{name} 应为日期或时间") from error


def _after(asked: _Asked, path: str, service: Service) -> tuple[datetime, str, str, int] | None:
    if not asked.cursor:
        return None
    at, kind, resource_id, version = unseal(asked.cursor, _sealed(asked, path), _PLACE, service.stores.cursor_key)
    return at, kind, resource_id, version


def _sealed(asked: _Asked, path: str) -> str:
    """What a page link depends on, but the place itself and the size of the page."""
    return f"{path}?{asked.since}&{asked.at}"


def _links(asked: _Asked, path: str, before_more: Sequence[Stored], service: Service) -> list[tuple[str, str]]:
    links = [("self", f"{service.base}/{path}?{urlencode(asked.used, quote_via=quote)}")]
    if before_more:
        last = before_more[-1]
        place = (last.updated, last.type, last.id, last.version)
        cursor = seal(place, _sealed(asked, path), service.stores.cursor_key)
        url = urlencode([*asked.used, ("_cursor", cursor)], quote_via=quote)
        links.append(("next", f"{service.base}/{path}?{url}"))
    return links
