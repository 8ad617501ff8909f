"""What the values of a resource are collected into: http://hl7.org/fhir/R4/search.html#searchValue"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec

NOTHING_INSIDE: Final[Mapping[str, str]] = MappingProxyType({})


class DateIndex(msgspec.Struct):
    """Half-open [lo, hi) over all values; `each` lists them when there are several."""

    lo: datetime
    hi: datetime
    each: list[tuple[datetime, datetime]]


class QuantityIndex(msgspec.Struct):
    """A number or a quantity; lo = hi for an exact value, infinite where an end is open.

    Where the unit is UCUM's, `dimension` names its base units and `base_lo` and `base_hi` are the ends in them.
    """

    param: str
    lo: Decimal
    hi: Decimal
    system: str | None = None
    code: str | None = None
    unit: str | None = None
    dimension: str | None = None
    base_lo: Decimal | None = None
    base_hi: Decimal | None = None


class IndexRow(msgspec.Struct):
    """Elements as `keys` writes them, dates by search code; `patient` is the id of the compartment's patient.

    `words` are those of a full text search, `composites` groups of values that stand together, `contained` the
    resources inside.
    """

    tokens: list[str]
    strings: list[str]
    dates: dict[str, DateIndex]
    quantities: list[QuantityIndex]
    patient: str | None = None
    words: list[str] = []
    composites: list["CompositeIndex"] = []
    contained: list["ContainedIndex"] = []


class CompositeIndex(msgspec.Struct):
    """The parts of one element, each a row of its own whose parameter is "": http://hl7.org/fhir/R4/search.html#composite"""

    params: tuple[str, ...]
    parts: list[IndexRow]


class ContainedIndex(msgspec.Struct):
    """A resource inside another: http://hl7.org/fhir/R4/search.html#contained"""

    id: str
    type: str
    row: IndexRow


class Row:
    """An IndexRow while it is filled: the dictionaries are ordered sets. `contained` goes from a local id to a type."""

    __slots__ = ("base", "composites", "contained", "dates", "quantities", "strings", "tokens", "zone")

    def __init__(self, base: str, zone: tzinfo, contained: Mapping[str, str] = NOTHING_INSIDE) -> None:
        self.base = base
        self.zone = zone
        self.contained = contained
        self.tokens: dict[str, None] = {}
        self.strings: dict[str, None] = {}
        self.dates: dict[str, DateIndex] = {}
        self.quantities: list[QuantityIndex] = []
        self.composites: list[CompositeIndex] = []

    def done(self, patient: str | None = None) -> IndexRow:
        return IndexRow(
            [*self.tokens], [*self.strings], self.dates, self.quantities, patient, composites=self.composites
        )
