"""The numbers of one group of an indicator for a set of institutions, and how much of them may be told."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from services.care.indicators.indicator import DENOMINATOR, NUMERATOR, Figure, Indicator
from services.care.indicators.load import searches
from services.care.indicators.measure import populations
from services.care.indicators.period import Period
from services.care.indicators.suppression import TOTAL, Cell, Hidden, suppressed
from services.fhir.store.figures import Reached, Tally, figures
from services.fhir.store.places import Place
from services.fhir.store.store import Store

Counts = Mapping[str, Mapping[str, int]]
"""By the name of a population, the institution's number."""
UNKNOWN: Final = "-"
"""The county of an institution that tells none."""


class Told(msgspec.Struct, frozen=True):
    """What is told of one institution, one county or all: None where a number is too small to be told."""

    denominator: int | None
    numerator: int | None = None


class Table(msgspec.Struct, frozen=True):
    """All institutions of a figure; `hidden` is what of it is not told."""

    group: Figure
    cells: Mapping[str, Cell]
    counties: Mapping[str, str]
    hidden: Hidden = Hidden()

    def of(self, name: str) -> Told:
        """`name` is that of an institution, of a county, or TOTAL."""
        cells = [c for n, c in self.cells.items() if name in (TOTAL, n, self.counties[n])]
        told = sum(c.denominator for c in cells) if name not in self.hidden.denominators else None
        if self.group.numerator is None or name in self.hidden.numerators:
            return Told(told)
        return Told(told, sum(c.numerator or 0 for c in cells))


async def count(store: Store, indicator: Indicator, asked: Sequence[Place], period: Period, zone: ZoneInfo) -> Counts:
    """By `group/population`, every institution's number, in one statement."""
    over = period.over(indicator.years)
    tallies = {
        f"{group.code}/{code}": _tally(group, code, over)
        for group in indicator.groups
        for code, _ in populations(group)
    }
    parts = {part: place.id for place in asked for part in place.parts}
    return await store.run(figures, tallies, parts, over.span(zone))


def table(group: Figure, counts: Counts, asked: Iterable[Place]) -> Table:
    """Nothing of it is hidden yet."""
    cells = {place.id: _cell(group, counts, place.id) for place in asked}
    return Table(group, cells, {place.id: county_of(place) for place in asked})


def guarded(whole: Table, smallest: int) -> Table:
    """The same without what would tell of persons."""
    return msgspec.structs.replace(whole, hidden=suppressed(whole.cells, whole.counties, smallest))


def county_of(place: Place) -> str:
    """No name of a county is that of an institution."""
    return f"county:{place.division or UNKNOWN}"


def _tally(group: Figure, code: str, period: Period) -> Tally:
    population = dict(populations(group))[code]
    reached = population.reached
    return Tally(
        queries=searches(population, period),
        by=population.by,
        of=population.of,
        total=population.total,
        reached=Reached(reached.states, reached.minutes) if reached else None,
        read_elsewhere=population.read_elsewhere,
        within_hours=population.within_hours,
    )


def _cell(group: Figure, counts: Mapping[str, Any], place: str) -> Cell:
    if group.numerator is None:
        return Cell(counts[f"{group.code}/initial-population"].get(place, 0))
    numbers = [counts[f"{group.code}/{code}"].get(place, 0) for code in (DENOMINATOR, NUMERATOR)]
    return Cell(numbers[0], numbers[1], is_share=group.kind == "share")
