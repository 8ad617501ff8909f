"""A search of the audit names a patient, an event or a period; else it is one of the last month (docs/adr/0006).

The audit grows by a row per request and has no index of what its events say, only of when they were written and about whom. What was used
stands in the self link, as with every search: http://hl7.org/fhir/R4/search.html#conformance
"""

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from typing import Final

from services.fhir.outcomes import unprocessable
from services.fhir.search.dates import parse_range
from services.fhir.search.query import SearchQuery, goes_by

MONTH: Final = timedelta(days=31)
CLOCKS: Final = timedelta(days=1)  # an event that a client recorded may be dated before it was written

_NARROW: Final = frozenset({"_id", "patient"})
_FROM: Final = frozenset({"eq", "ge", "gt", "sa"})
_PREFIX_LENGTH: Final = 2

Parameters = list[tuple[str, str]]


def check_no_detour(query: SearchQuery) -> None:
    """Who asks the audit asks it by itself, for there it is bounded."""
    if goes_by(query, "AuditEvent"):
        raise unprocessable(
            "AuditEvents are searched by themselves: AuditEvent?patient=Patient/[id]",
            code="too-costly",
            text="审计记录须直接检索（AuditEvent?patient=…），不能经由其他资源",
        )


def with_period(given: Parameters, now: datetime, zone: tzinfo) -> Parameters:
    if any(name in _NARROW for name, _ in given) or _beginnings("_lastUpdated", given, zone):
        return given
    dated = [begin - CLOCKS for begin in _beginnings("date", given, zone)]
    begin = max(dated, default=now - MONTH)
    return [*given, ("_lastUpdated", f"ge{begin.isoformat(timespec='seconds')}")]


def _beginnings(name: str, given: Parameters, zone: tzinfo) -> list[datetime]:
    """The earliest instant of each condition of that name that has one; what is not a date is told by who reads the search."""
    found = (_earliest(value.split(","), zone) for each, value in given if each == name)
    return [begin for begin in found if begin is not None]


def _earliest(values: Iterable[str], zone: tzinfo) -> datetime | None:
    try:
        begins = [_begin(value, zone) for value in values]
    except ValueError:
        return None
    known = [begin for begin in begins if begin is not None]
    return min(known) if len(known) == len(begins) else None


def _begin(value: str, zone: tzinfo) -> datetime | None:
    prefix = value[:_PREFIX_LENGTH] if value[:1].isalpha() else "eq"
    text = value.removeprefix(prefix)
    return parse_range(text.replace(" ", "+"), zone)[0] if prefix in _FROM else None
