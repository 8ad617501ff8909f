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


class _Asked(msgspec.Struct, frozen=True):
    count: int = DEFAULT_COUNT
    since: str = ""
    cursor: str = ""


async def history(request: FhirRequest, service: Service) -> Answer:
    """Newest first. A deletion is an entry without a resource; an id that never was is 404."""
    if request.type:
        service.check(request.type, "history-instance" if request.id else "history-type")
    asked = _asked(request.parameters)
    path = "/".join(part for part in (request.type, request.id, "_history") if part)
    query = HistoryQuery(
        (request.type,) if request.type else (),
        request.id or None,
        asked.count,
        _since(asked, service),
        _after(asked, path, service),
    )
    versions = await service.stores.reading(lambda store: store.history(query))
    level = "instance" if request.id else "type" if request.type else "system"
    await service.stores.audit_log.record(request.audit(f"history-{level}", 200, query=request.query))
    if request.id and not versions and not asked.cursor and not asked.since:
        raise unknown(request.type)
    shown = versions[: asked.count]
    links = _links(asked, path, shown if len(versions) > asked.count else (), service)
    return Answer(200, bundle("history", [history_entry(v, service.base) for v in shown], links=links))


def _asked(parameters: Sequence[tuple[str, str]]) -> _Asked:
    given = {name: value for name, value in parameters if value and name not in _PASSED_OVER}
    unknown_names = given.keys() - {"_count", "_since", "_cursor"}
    if unknown_names:
        raise bad_request(
            f"_history takes _count and _since, not {min(unknown_names)}",
            code="not-supported",
            text="历史查询不支持该参数",
        )
    count = given.get("_count", str(DEFAULT_COUNT))
    if not (count.isascii() and count.isdigit()) or int(count[:9]) < 1:
        raise bad_request("_count: a positive number", code="value", text="_count 应为正整数")
    return _Asked(min(int(count[:9]), MAX_COUNT), given.get("_since", ""), given.get("_cursor", ""))


def _since(asked: _Asked, service: Service) -> datetime | None:
    if not asked.since:
        return None
    try:
        return parse_range(asked.since, service.zone)[0]
    except ValueError as error:
        raise bad_request("_since: not an instant", code="value", text="_since 应为时间") from error


def _after(asked: _Asked, path: str, service: Service) -> tuple[datetime, str, str, int] | None:
    if not asked.cursor:
        return None
    at, kind, resource_id, version = unseal(asked.cursor, path, _PLACE, service.stores.cursor_key)
    return at, kind, resource_id, version


def _links(asked: _Asked, path: str, before_more: Sequence[Stored], service: Service) -> list[tuple[str, str]]:
    used = [("_count", str(asked.count)), *([("_since", asked.since)] if asked.since else [])]
    links = [("self", f"{service.base}/{path}?{urlencode(used, quote_via=quote)}")]
    if before_more:
        last = before_more[-1]
        cursor = seal((last.updated, last.type, last.id, last.version), path, service.stores.cursor_key)
        links.append(("next", f"{service.base}/{path}?{urlencode([*used, ('_cursor', cursor)], quote_via=quote)}"))
    return links
