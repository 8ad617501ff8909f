"""No small number is told to a supervisor, nor can it be computed from what is told: by any sums and differences (docs/adr/0038)."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.care.indicators.suppression import TOTAL, Cell, Hidden, suppressed

SMALLEST = 5
Row = dict[str, Fraction]

cells = st.dictionaries(
    st.sampled_from([f"i{n}" for n in range(9)]),
    st.integers(0, 40).flatmap(lambda whole: st.builds(Cell, st.just(whole), st.integers(0, whole))),
    max_size=9,
)


def counties_of(table: Mapping[str, Cell]) -> dict[str, str]:
    return {name: f"c{int(name[1:]) % 3}" for name in table}


def determined(hidden: frozenset[str], counties: Mapping[str, str]) -> set[str]:
    """The institutions whose number follows from the sums that are told: unit vectors among the combinations of all equations."""
    rows: list[Row] = [{name: Fraction(1)} for name in counties if name not in hidden]
    lines: dict[str, list[str]] = {TOTAL: [*counties]}
    for name, county in counties.items():
        lines.setdefault(county, []).append(name)
    rows += [dict.fromkeys(line, Fraction(1)) for whole, line in lines.items() if whole not in hidden]
    return {next(iter(row)) for row in _reduced(rows) if len(row) == 1}


def _reduced(rows: list[Row]) -> Iterator[Row]:
    """Gauss and Jordan: a number follows from the equations exactly when its row has nothing else in it."""
    done: list[Row] = []
    for row in rows:
        rest = row
        for other in done:
            rest = _without(rest, other)
        if rest:
            pivot = next(iter(rest))
            unit = {name: value / rest[pivot] for name, value in rest.items()}
            done = [*(_without(each, unit, pivot) for each in done), unit]
    yield from done


def _without(row: Row, other: Row, pivot: str | None = None) -> Row:
    pivot = pivot or next(iter(other))
    share = row.get(pivot, Fraction(0))
    if not share:
        return row
    names = [*row, *(name for name in other if name not in row)]
    left = {name: row.get(name, Fraction(0)) - share * other.get(name, Fraction(0)) for name in names}
    return {name: value for name, value in left.items() if value}


@settings(max_examples=400)
@given(cells)
def test_no_small_number_is_told_nor_follows_from_what_is_told(table: dict[str, Cell]) -> None:
    counties = counties_of(table)
    hidden = suppressed(table, counties, SMALLEST)
    by_denominator = determined(hidden.denominators, counties)
    by_numerator = determined(hidden.numerators, counties)
    for name, cell in table.items():
        if 0 < cell.denominator < SMALLEST:
            assert name not in by_denominator
        assert cell.numerator is not None
        assert cell.outside is not None
        if 0 < cell.numerator < SMALLEST or 0 < cell.outside < SMALLEST:
            assert name not in by_numerator


@settings(max_examples=200)
@given(cells)
def test_where_nothing_is_small_nothing_is_hidden(table: dict[str, Cell]) -> None:
    large = {
        name: Cell(cell.denominator * 10 + 20, cell.numerator * 5 + 10)
        for name, cell in table.items()
        if cell.numerator
    }
    assert suppressed(large, counties_of(large), SMALLEST) == Hidden()


@given(cells)
def test_what_is_hidden_does_not_depend_on_the_order_of_the_institutions(table: dict[str, Cell]) -> None:
    turned = dict(reversed(table.items()))
    assert suppressed(table, counties_of(table), SMALLEST) == suppressed(turned, counties_of(turned), SMALLEST)


@pytest.mark.parametrize(
    ("cell", "is_hidden"),
    [
        (Cell(100, 50), False),
        (Cell(100, 4), True),
        (Cell(100, 5), False),
        (Cell(100, 0), False),
        (Cell(100, 97), True),
        (Cell(100, 100), False),
        (Cell(4, 4), True),
    ],
)
def test_few_who_are_in_and_few_who_are_not_are_both_small(cell: Cell, *, is_hidden: bool) -> None:
    table = {"i0": cell, "i1": Cell(100, 50), "i2": Cell(90, 45)}
    assert ("i0" in suppressed(table, dict.fromkeys(table, "c"), SMALLEST).numerators) is is_hidden


def test_with_the_one_small_number_another_one_goes() -> None:
    table = {"i0": Cell(100, 3), "i1": Cell(100, 50), "i2": Cell(100, 20)}
    hidden = suppressed(table, dict.fromkeys(table, "c"), SMALLEST)
    assert hidden == Hidden(numerators=frozenset({"i0", "i2"}))


def test_where_there_is_no_other_the_sum_goes_too() -> None:
    table = {"i0": Cell(100, 3)}
    assert suppressed(table, {"i0": "c"}, SMALLEST).numerators == {"i0", "c", TOTAL}


def test_a_sum_such_as_minutes_is_as_small_as_what_it_is_of() -> None:
    table = {"i0": Cell(3, 900, is_share=False), "i1": Cell(80, 2, is_share=False), "i2": Cell(90, 3, is_share=False)}
    hidden = suppressed(table, dict.fromkeys(table, "c"), SMALLEST)
    assert hidden.numerators == hidden.denominators == {"i0", "i1"}
