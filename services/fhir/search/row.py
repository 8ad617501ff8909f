"""What the values of a resource are collected into: http://hl7.org/fhir/R4/search.html#searchValue"""

from datetime import datetime, tzinfo
from decimal import Decimal

import msgspec


class DateIndex(msgspec.Struct):
    """Half-open [lo, hi) over all values; `each` lists them when there are several."""

    lo: datetime
    hi: datetime
    each: list[tuple[datetime, datetime]]


class QuantityIndex(msgspec.Struct):
    """A number or a quantity; lo = hi for an exact value, infinite where an end is open."""

    param: str
    lo: Decimal
    hi: Decimal
    system: str | None = None
    code: str | None = None
    unit: str | None = None


class IndexRow(msgspec.Struct):
    """Elements as `keys` writes them, dates by search code; `patient` is the id of the compartment's patient."""

    tokens: list[str]
    strings: list[str]
    dates: dict[str, DateIndex]
    quantities: list[QuantityIndex]
    patient: str | None = None


class Row:
    """An IndexRow while it is filled: the dictionaries are ordered sets."""

    __slots__ = ("base", "dates", "quantities", "strings", "tokens", "zone")

    def __init__(self, base: str, zone: tzinfo) -> None:
        self.base = base
        self.zone = zone
        self.tokens: dict[str, None] = {}
        self.strings: dict[str, None] = {}
        self.dates: dict[str, DateIndex] = {}
        self.quantities: list[QuantityIndex] = []

    def done(self, patient: str | None) -> IndexRow:
        return IndexRow([*self.tokens], [*self.strings], self.dates, self.quantities, patient)
