"""Small cells are not told, and none of them can be computed from those that are (docs/adr/0038).

A table has institutions as its leaves, their counties, and the whole. A cell tells of persons by the two numbers that are in it: those who are
in the numerator, and those who are not. It is small when one of them is, and is not none. In every line of cells that add up to one that is told, those
that are hidden are at least two, and together not small: else more of them are hidden, the smallest first, and at last the sum itself.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

FEWEST_HIDDEN: Final = 2
TOTAL: Final = ""
"""The name of the whole."""


class Cell(msgspec.Struct, frozen=True):
    """One institution's numbers; `outside` are those of the denominator who are not in the numerator, None where there is no such number."""

    denominator: int
    numerator: int | None = None
    is_share: bool = True

    @property
    def outside(self) -> int | None:
        return self.denominator - self.numerator if self.is_share and self.numerator is not None else None


class Hidden(msgspec.Struct, frozen=True):
    """The names of leaves, of counties, and TOTAL, whose denominators and numerators are not told."""

    denominators: frozenset[str] = frozenset()
    numerators: frozenset[str] = frozenset()


Numbers = tuple[int, ...]
"""What may be small about a cell."""


def suppressed(cells: Mapping[str, Cell], counties: Mapping[str, str], smallest: int) -> Hidden:
    """`counties` are those of the leaves; no name of a county is that of a leaf."""
    denominators = _settled({n: (c.denominator,) for n, c in cells.items()}, counties, frozenset(), smallest)
    numbers = {name: _numbers(cell) for name, cell in cells.items()}
    numerators = _settled(numbers, counties, denominators, smallest)
    return Hidden(denominators, numerators)


def _numbers(cell: Cell) -> Numbers:
    """A sum such as minutes tells no more than how many they are of."""
    return (cell.numerator or 0, cell.outside) if cell.outside is not None else (cell.denominator,)


def _settled(
    leaves: Mapping[str, Numbers], counties: Mapping[str, str], hidden: frozenset[str], smallest: int
) -> frozenset[str]:
    lines: dict[str, list[str]] = {}
    for leaf in leaves:
        lines.setdefault(counties[leaf], []).append(leaf)
    values = {**leaves, **{county: _sum(leaves, line) for county, line in lines.items()}}
    values[TOTAL] = _sum(values, [*lines])
    found = {*hidden, *(name for name, numbers in values.items() if _is_small(numbers, smallest))}
    while True:
        before = len(found)
        for county, line in sorted(lines.items()):
            _hide(county, line, values, found, smallest)
        _hide(TOTAL, sorted(lines), values, found, smallest)
        for county, line in lines.items():  # a sum that is hidden must not be made from its parts
            _open_up(county, line, values, found, smallest)
        _open_up(TOTAL, [*lines], values, found, smallest)
        if len(found) == before:
            return frozenset(found)


def _hide(whole: str, line: Sequence[str], values: Mapping[str, Numbers], found: set[str], smallest: int) -> None:
    """Hide more of the line until what is hidden of it can't be told apart, or the sum too."""
    hidden = [name for name in line if name in found]
    if not hidden or whole in found:
        return
    rest = sorted((name for name in line if name not in found), key=lambda name: (values[name], name))
    while len(hidden) < FEWEST_HIDDEN or _is_small(_sum(values, hidden), smallest):
        if not rest:
            found.add(whole)
            return
        hidden.append(rest.pop(0))
        found.add(hidden[-1])


def _open_up(whole: str, line: Sequence[str], values: Mapping[str, Numbers], found: set[str], smallest: int) -> None:
    if whole in found and not any(name in found for name in line):
        ordered = sorted(line, key=lambda name: (values[name], name))
        found.add(next((name for name in ordered if min(values[name]) >= smallest), ordered[-1]))


def _sum(values: Mapping[str, Numbers], names: Sequence[str]) -> Numbers:
    return tuple(map(sum, zip(*(values[name] for name in names), strict=True)))


def _is_small(numbers: Numbers, smallest: int) -> bool:
    return any(0 < number < smallest for number in numbers)
