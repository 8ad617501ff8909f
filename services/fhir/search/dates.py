"""Date values as ranges: http://hl7.org/fhir/R4/search.html#date"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from services.fhir.search.row import DateIndex, QuantityIndex, Row
from services.fhir.search.walk import Sink

Range = tuple[datetime, datetime]

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
_YEAR, _MONTH, _DAY, _MINUTE, _SECOND = 4, 7, 10, 16, 19  # lengths of a text without its zone
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP_SECOND = ":60"
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")


@cache
def default_zone() -> tzinfo:
    """Give the zone of a text that names none."""
    return ZoneInfo("Asia/Shanghai")


def parse_range(text: str, zone: tzinfo) -> Range:
    """Give the half-open range that a date, dateTime or instant means; raise ValueError for anything else."""
    if not _DATE.fullmatch(text):
        raise ValueError("not a date")
    lo, hi = _calendar_range(text, zone) if len(text) <= _DAY else _clock_range(text, zone)
    return _bounded(lo), _bounded(hi)


def _calendar_range(text: str, zone: tzinfo) -> Range:
    year, month, day = int(text[:4]), int(text[5:7] or 1), int(text[8:10] or 1)
    lo = datetime(year, month, day, tzinfo=zone)
    try:
        if len(text) == _DAY:
            following = datetime(year, month, day) + timedelta(days=1)  # noqa: DTZ001 calendar arithmetic
            return lo, following.replace(tzinfo=zone)
        months = year * 12 + (month if len(text) == _MONTH else 12)
        return lo, datetime(months // 12, months % 12 + 1, 1, tzinfo=zone)
    except (OverflowError, ValueError):  # the year 10000
        return lo, LATEST


def _clock_range(text: str, zone: tzinfo) -> Range:
    precision = len(_ZONE.sub("", text))
    leap = timedelta(seconds=1) if text[_MINUTE:_SECOND] == _LEAP_SECOND else timedelta()
    lo = datetime.fromisoformat(text.replace(_LEAP_SECOND, ":59", 1) if leap else text)
    lo = lo if lo.tzinfo else lo.replace(tzinfo=zone)
    try:
        return lo + leap, lo + leap + _width(precision)
    except OverflowError:
        return lo, LATEST


def _width(precision: int) -> timedelta:
    if precision == _MINUTE:
        return timedelta(minutes=1)
    digits = max(precision - _SECOND - 1, 0)
    return timedelta(microseconds=max(10 ** (6 - digits), 1))


def _bounded(moment: datetime) -> datetime:
    """Keep to what UTC can say: a zone can push the first and the last day of the calendar over its edge."""
    return min(max(moment, EARLIEST), LATEST) if moment.year in (1, 9999) else moment


def _text(text: str, zone: tzinfo) -> Range | None:
    return parse_range(text, zone)


def _period(period: dict[str, Any], zone: tzinfo) -> Range | None:
    start, end = period.get("start"), period.get("end")
    if start is None and end is None:
        return None
    return parse_range(start, zone)[0] if start else EARLIEST, parse_range(end, zone)[1] if end else LATEST


def _timing(timing: dict[str, Any], zone: tzinfo) -> Range | None:
    """Take the outer bounds of the events and of the period in which the rest repeats."""
    bounds = timing.get("repeat", {}).get("boundsPeriod", {})
    ranges = [parse_range(event, zone) for event in timing.get("event", ()) if event is not None]
    ranges += filter(None, [_period(bounds, zone)])
    return (min(lo for lo, _ in ranges), max(hi for _, hi in ranges)) if ranges else None


def text(parameter: str) -> Sink[Row]:
    return _sink(parameter, _text)


def period(parameter: str) -> Sink[Row]:
    return _sink(parameter, _period)


def timing(parameter: str) -> Sink[Row]:
    return _sink(parameter, _timing)


def _sink(parameter: str, range_of: Callable[[Any, tzinfo], Range | None]) -> Sink[Row]:
    def sink(value: Any, row: Row) -> None:
        found = range_of(value, row.zone)
        if found is not None:
            _add(parameter, found, row.dates)

    return sink


def _add(parameter: str, found: Range, dates: dict[str, DateIndex]) -> None:
    index = dates.get(parameter)
    if index is None:
        dates[parameter] = DateIndex(*found, [])
        return
    index.each = [*(index.each or [(index.lo, index.hi)]), found]
    index.lo, index.hi = min(index.lo, found[0]), max(index.hi, found[1])


def as_quantities(parameter: str, sink: Sink[Row]) -> Sink[Row]:
    """Index the dates of a parameter that has no columns as numbers of microseconds, the end left out."""

    def numbers(value: Any, row: Row) -> None:
        inner = Row(row.base, row.zone)
        sink(value, inner)
        row.quantities += [
            QuantityIndex(parameter, microseconds(d.lo), microseconds(d.hi)) for d in inner.dates.values()
        ]

    return numbers


def microseconds(moment: datetime) -> Decimal:
    """Give the time since 1970, exactly."""
    return Decimal((moment - _EPOCH) // timedelta(microseconds=1))
