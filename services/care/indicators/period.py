"""The period of a figure, and how it stands in the searches that count: http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html"""

import re
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

import msgspec

from services.fhir.store.figures import Span

_PLACE: Final = re.compile(r"\{(start|end|today|after|tomorrow)(?:-(\d{1,3})([ymd]))?\}")
MONTHS: Final = 12


class Period(msgspec.Struct, frozen=True):
    """From the first to the last day; `today` is in it, or its last day where it is over."""

    start: date
    end: date
    now: date

    @property
    def today(self) -> date:
        return min(self.end, self.now)

    @property
    def after(self) -> date:
        return self.end + timedelta(days=1)

    @property
    def tomorrow(self) -> date:
        return self.today + timedelta(days=1)

    @property
    def is_year(self) -> bool:
        return (self.start, self.end) == (date(self.start.year, 1, 1), date(self.start.year, 12, 31))

    def over(self, years: int) -> "Period":
        """The same end, with so many years at least."""
        start = min(self.start, before(self.end, years, "y") + timedelta(days=1))
        return Period(start, self.end, self.now)

    def span(self, zone: tzinfo) -> Span:
        """What has passed of it."""
        start, after = (datetime.combine(day, time.min, zone) for day in (self.start, self.tomorrow))
        return Span(start, max(start, after))


def written(query: str, period: Period) -> str:
    """The search with the days of the period in it."""

    def day(match: re.Match[str]) -> str:
        found: date = getattr(period, match[1])
        return (before(found, int(match[2]), match[3]) if match[2] else found).isoformat()

    return _PLACE.sub(day, query)


def before(day: date, number: int, unit: str) -> date:
    """So many years, months or days before; 29 February's year before is the 28th."""
    if unit == "d":
        return day - timedelta(days=number)
    months = day.year * MONTHS + day.month - 1 - number * (MONTHS if unit == "y" else 1)
    year, month = divmod(months, MONTHS)
    last = (date(year + (month + 1) // MONTHS, (month + 1) % MONTHS + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))
