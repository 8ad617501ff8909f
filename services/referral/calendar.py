"""Working hours in China: weekends, public holidays and the working days moved to weekends 调休 (holidays.json).

国务院办公厅关于部分节假日安排的通知, one a year; what is not published yet is marked so in the file.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

_SATURDAY: Final = 5
_FURTHEST: Final = 400
"""Days to look ahead: no clock is that long."""


class Calendar(msgspec.Struct, frozen=True):
    """`hours` of each working day, in order; `off` and `working` are the exceptions from Monday to Friday."""

    zone: ZoneInfo
    hours: tuple[tuple[time, time], ...]
    off: frozenset[date]
    working: frozenset[date]

    def is_working_day(self, day: date) -> bool:
        return day in self.working or (day.weekday() < _SATURDAY and day not in self.off)

    def add(self, start: datetime, length: timedelta) -> datetime:
        """The instant at which so much working time has passed since `start`, in UTC's offset of the zone."""
        if length <= timedelta(0):
            return start.astimezone(self.zone)
        left = length
        for begins, ends in self._spans(start):
            if left <= ends - begins:
                return begins + left
            left -= ends - begins
        raise ValueError("no working time within a year")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time from `start` to `end`; nothing where the end comes first."""
        passed = timedelta(0)
        for begins, ends in self._spans(start):
            if begins >= end:
                break
            passed += min(ends, end) - begins
        return passed

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The working spans from `start` on, the first one cut."""
        here = start.astimezone(self.zone)
        for n in range(_FURTHEST):
            day = here.date() + timedelta(days=n)
            if not self.is_working_day(day):
                continue
            for opens, closes in self.hours:
                begins, ends = (datetime.combine(day, each, self.zone) for each in (opens, closes))
                if ends > here:
                    yield max(begins, here), ends


def parse_hours(text: str) -> tuple[tuple[time, time], ...]:
    """`08:30-12:00,14:30-18:00`; ValueError for spans out of order."""
    spans = [tuple(time.fromisoformat(each) for each in span.split("-")) for span in text.split(",")]
    bounds = [bound for span in spans for bound in span]
    if any(len(span) != 2 for span in spans) or bounds != sorted(set(bounds)):  # noqa: PLR2004
        raise ValueError("working hours are spans in order, HH:MM-HH:MM")
    return tuple((span[0], span[1]) for span in spans)


def calendar_of(zone: ZoneInfo, hours: str) -> Calendar:
    years = _years()
    off = (day for year in years.values() for span in year["off"] for day in _days(span))
    working = (day for year in years.values() for span in year["working"] for day in _days(span))
    return Calendar(zone, parse_hours(hours), frozenset(off), frozenset(working))


def is_published(year: int) -> bool:
    """Is the year's arrangement known? Of another year weekends and the statutory days are all that counts."""
    return bool(_years().get(str(year), {}).get("published"))


@cache
def _years() -> Mapping[str, Any]:
    text = files("services.referral").joinpath("holidays.json").read_bytes()
    found: Mapping[str, Any] = msgspec.json.decode(text)["years"]
    return found


def _days(span: str) -> Iterator[date]:
    first, _, last = span.partition("/")
    day, end = date.fromisoformat(first), date.fromisoformat(last or first)
    while day <= end:
        yield day
        day += timedelta(days=1)
