"""A measure in base units, so that 5 mg and 0.005 g are the same: https://ucum.org/ucum#section-Semantics

Exact: fractions until the last step. A unit that is no multiple of others (international units, pH) stands for itself, so it is compared with
its own kind only.
"""

from collections import defaultdict
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from services.fhir.ucum.atoms import Atom, prefixes
from services.fhir.ucum.terms import Factor, parse_unit

UCUM: Final = "http://unitsofmeasure.org"

_DIGITS: Final = 40
_ROUNDED: Final = Context(prec=_DIGITS)
_MAX_DEPTH: Final = 20
_NUMBERS: Final = frozenset({"10*", "10^"})
# A reading plus the offset, times the value of the unit in the table, is in kelvin.
_OFFSETS: Final = {"Cel": Fraction("273.15"), "degF": Fraction("459.67"), "degRe": Fraction("218.52")}


class Unit(msgspec.Struct, frozen=True):
    """`(value + offset) * factor` is in the base units that `dimension` names."""

    factor: Fraction
    offset: Fraction
    dimension: str


@lru_cache(maxsize=4096)
def unit(code: str) -> Unit | None:
    """None for what is no unit of UCUM, or none that can be converted."""
    try:
        factors = parse_unit(code)
        if special := _special(factors):
            return special
        factor, powers = _product(factors, 0)
    except (ValueError, RecursionError):
        return None
    named = "".join(f"{name}{power}." for name, power in sorted(powers.items()) if power)
    return Unit(factor, Fraction(0), named or "1")


def canonical(value: Decimal, of: Unit) -> Decimal:
    """The same measure gives the same digits, whatever unit it was stated in."""
    exact = (Fraction(value) + of.offset) * of.factor
    return _ROUNDED.divide(Decimal(exact.numerator), Decimal(exact.denominator))


def _special(factors: tuple[Factor, ...]) -> Unit | None:
    """A temperature on a scale with another zero stands alone."""
    temperatures = [f for f in factors if f.atom and f.atom.kind in _OFFSETS]
    if not temperatures:
        return None
    atom = temperatures[0].atom
    if len(factors) > 1 or temperatures[0].exponent != 1 or temperatures[0].prefix or atom is None:
        raise ValueError("no product of such a scale means anything")
    factor, powers = _product(parse_unit(atom.unit), 0)
    dimension = "".join(f"{name}{power}." for name, power in sorted(powers.items()) if power)
    return Unit(atom.value * factor, _OFFSETS[atom.kind], dimension)


def _product(factors: tuple[Factor, ...], depth: int) -> tuple[Fraction, dict[str, int]]:
    if depth > _MAX_DEPTH:
        raise ValueError("not a unit")
    total, powers = Fraction(1), defaultdict[str, int](int)
    for each in factors:
        size, own = (Fraction(each.number), {}) if each.atom is None else _size(each.atom, depth)
        total *= (size * prefixes().get(each.prefix, 1)) ** each.exponent
        for name, power in own.items():
            powers[name] += power * each.exponent
    if not total:
        raise ValueError("not a unit")
    return total, powers


def _size(atom: Atom, depth: int) -> tuple[Fraction, dict[str, int]]:
    if atom.code in _NUMBERS:
        return Fraction(10), {}
    if atom.kind in _OFFSETS:
        raise ValueError("no product of such a scale means anything")
    if atom.kind and not _is_alias(atom):
        return Fraction(1), {atom.code: 1}
    factor, powers = _product(parse_unit(atom.unit), depth + 1)
    return atom.value * factor, powers


def _is_alias(atom: Atom) -> bool:
    """Some arbitrary units are another name of one: `[IU]` is `[iU]`."""
    return atom.kind == "arbitrary" and atom.unit != "1"
