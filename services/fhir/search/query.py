"""What a search asks for, as plain values without SQL: http://hl7.org/fhir/R4/search.html"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


class StringValue(msgspec.Struct, frozen=True):
    text: str  # as sent, for :exact
    normalized: str  # as `strings.normalize` gives it, for prefix and :contains


class TokenValue(msgspec.Struct, frozen=True):
    """`c` is (None, c), `s|c` is (s, c), `|c` is ("", c), `s|` is (s, None)."""

    system: str | None
    code: str | None


class ReferenceValue(msgspec.Struct, frozen=True):
    """`Type/id`, another server's URL or a canonical; several candidates only for a bare id of several target types.

    A search whose candidates name more than one resource that exists must be refused
    (http://hl7.org/fhir/R4/search.html#reference).
    """

    references: tuple[str, ...]


class UriValue(msgspec.Struct, frozen=True):
    uri: str


class DateValue(msgspec.Struct, frozen=True):
    """The range [lo, hi) that the text means; widened already for `ap`."""

    prefix: Prefix
    lo: datetime
    hi: datetime


class NumberValue(msgspec.Struct, frozen=True):
    """The exact value and its implicit range [lo, hi): `100` is [99.5, 100.5); widened already for `ap`."""

    prefix: Prefix
    value: Decimal
    lo: Decimal
    hi: Decimal


class QuantityValue(msgspec.Struct, frozen=True):
    """A number with its unit: `v` is (None, None), `v|s|c` is (s, c), `v||c` is (None, c) where c is a code or a unit."""

    prefix: Prefix
    value: Decimal
    lo: Decimal
    hi: Decimal
    system: str | None
    code: str | None


Value = StringValue | TokenValue | ReferenceValue | UriValue | DateValue | NumberValue | QuantityValue


class Match(msgspec.Struct, frozen=True):
    """One parameter as sent once: any of the values matches."""

    parameter: str
    type: str  # string token reference uri date number quantity
    modifier: Literal["exact", "contains", "not"] | None
    values: tuple[Value, ...]


class Missing(msgspec.Struct, frozen=True):
    """`name:missing=true|false`."""

    parameter: str
    type: str
    missing: bool


Condition = Match | Missing


class SortKey(msgspec.Struct, frozen=True):
    parameter: str
    type: str
    descending: bool = False


class Include(msgspec.Struct, frozen=True):
    """`_include` and `_revinclude`: references of `source` through `parameter` to one of `targets` (never empty)."""

    source: str
    parameter: str
    targets: tuple[str, ...]


class SearchQuery(msgspec.Struct, frozen=True):
    """All conditions hold together. `used` is what the self link lists; `ignored` are parameter names."""

    type: str
    conditions: tuple[Condition, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int = 50
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    cursor: str | None = None
    total: Literal["none", "estimate", "accurate"] = "none"
    only_count: bool = False  # _summary=count or _count=0
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
