"""The values by which a resource is found: http://hl7.org/fhir/R4/search.html#searchValue"""

from datetime import datetime
from decimal import Decimal

import msgspec


class DateIndex(msgspec.Struct):
    """Half-open [lo, hi) over all values; `each` lists them when there are several."""

    lo: datetime
    hi: datetime
    each: list[tuple[datetime, datetime]]


class QuantityIndex(msgspec.Struct):
    """A number or quantity; lo = hi for an exact value, infinities for an open end."""

    param: str
    lo: Decimal
    hi: Decimal
    system: str | None = None
    code: str | None = None
    unit: str | None = None


class IndexRow(msgspec.Struct):
    """Index elements as `keys` writes them; `patient` is the id of the compartment's patient."""

    tokens: list[str]
    strings: list[str]
    dates: dict[str, DateIndex]
    quantities: list[QuantityIndex]
    patient: str | None = None


class DateParameter(msgspec.Struct, frozen=True):
    code: str
    column: str
    repeats: bool
