"""What a search asks for, as plain values without SQL: http://hl7.org/fhir/R4/search.html"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "co", "po"]  # the last two of _filter only


class StringValue(msgspec.Struct, frozen=True):
    text: str  # as sent, for :exact
    normalized: str  # as `strings.normalize` gives it, for prefix and :contains
    folded: tuple[str, ...] = ()  # of a person's name, as `names.asked` gives them: other ways to write and say it


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
    """A number with its unit: `v` is (None, None), `v|s|c` is (s, c), `v||c` is (None, c) where c is a code or a unit.

    Where the unit is UCUM's, `dimension` names its base units, and the numbers are in them.
    """

    prefix: Prefix
    value: Decimal
    lo: Decimal
    hi: Decimal
    system: str | None
    code: str | None
    dimension: str | None = None


class OfTypeValue(msgspec.Struct, frozen=True):
    """`system|code|value` of an identifier, by what kind of identifier it is."""

    system: str
    code: str
    value: str


class NearValue(msgspec.Struct, frozen=True):
    """Everything within a distance, in kilometres, of a point on WGS 84."""

    latitude: Decimal
    longitude: Decimal
    kilometres: Decimal


class Words(msgspec.Struct, frozen=True):
    """All of the words; `operator` `and`, `or` and `not` join what stands in `parts` instead."""

    words: tuple[str, ...] = ()
    operator: Literal["and", "or", "not"] | None = None
    parts: tuple["Words", ...] = ()


class CompositeValue(msgspec.Struct, frozen=True):
    """One value for each part; `narrow` is the parameter that finds the first part by itself, where it is indexed."""

    parts: tuple[tuple[str, "Value"], ...]  # (type of the part, value)
    narrow: str | None = None


Value = (
    StringValue
    | TokenValue
    | ReferenceValue
    | UriValue
    | DateValue
    | NumberValue
    | QuantityValue
    | OfTypeValue
    | NearValue
    | Words
    | CompositeValue
)
Modifier = Literal[
    "exact", "contains", "not", "in", "not-in", "above", "below",
    "equal", "unequal", "ends", "greater", "less", "not-greater", "not-less",  # of _filter only
]  # fmt: skip


class Match(msgspec.Struct, frozen=True):
    """One parameter as sent once: any of the values matches."""

    parameter: str
    type: str  # string token reference uri date number quantity composite special
    modifier: Modifier | None
    values: tuple[Value, ...]


class Missing(msgspec.Struct, frozen=True):
    """`name:missing=true|false`."""

    parameter: str
    type: str
    missing: bool


class Chain(msgspec.Struct, frozen=True):
    """A reference leads to a resource of one of the types, for which the condition behind that type holds.

    http://hl7.org/fhir/R4/search.html#chaining
    """

    parameter: str
    targets: tuple[tuple[str, "Condition"], ...]
    canonical: bool = False  # the reference names a definition by its url


class Has(msgspec.Struct, frozen=True):
    """A resource of type `source`, for which the condition holds, refers here through `parameter`.

    http://hl7.org/fhir/R4/search.html#has
    """

    source: str
    parameter: str
    condition: "Condition"
    canonical: bool = False


class All(msgspec.Struct, frozen=True):
    conditions: tuple["Condition", ...]


class AnyOf(msgspec.Struct, frozen=True):
    conditions: tuple["Condition", ...]


class Not(msgspec.Struct, frozen=True):
    condition: "Condition"


Condition = Match | Missing | Chain | Has | All | AnyOf | Not


def inner(condition: Condition) -> tuple[Condition, ...]:
    """Give the conditions that a condition is made of."""
    match condition:
        case Chain(_, targets):
            return tuple(each for _, each in targets)
        case Has(_, _, each) | Not(each):
            return (each,)
        case All(each) | AnyOf(each):
            return each
        case _:
            return ()


def matches_in(conditions: Iterable[Condition]) -> Iterator[Match]:
    """Give every single parameter and its values, however deep it stands."""
    for condition in conditions:
        if isinstance(condition, Match):
            yield condition
        else:
            yield from matches_in(inner(condition))


class SortKey(msgspec.Struct, frozen=True):
    parameter: str
    type: str
    descending: bool = False


class Include(msgspec.Struct, frozen=True):
    """`_include` and `_revinclude`: references of `source` through `parameter` to one of `targets`.

    `*` stands for every type or parameter, and no target for any. `iterate` follows what was included too: http://hl7.org/fhir/R4/search.html#revinclude
    """

    source: str
    parameter: str
    targets: tuple[str, ...]
    iterate: bool = False


class View(msgspec.Struct, frozen=True):
    """How much of each resource is told: `_summary`, or the elements of `_elements`."""

    summary: Literal["true", "text", "data"] | None = None
    elements: frozenset[str] = frozenset()


Contained = Literal["container", "contained"]


class SearchQuery(msgspec.Struct, frozen=True):
    """All conditions hold together. `used` is what the self link lists; `ignored` are parameter names."""

    type: str  # "" where several types are searched together
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
    view: View | None = None
    outside: bool = True  # resources that stand for themselves: not with _contained=true
    inside: Contained | None = None  # contained resources too, told as their containers or as themselves
    types: tuple[
        tuple[str, tuple[Condition, ...]], ...
    ] = ()  # of a search over several types, with the conditions of each
    needs_codes: bool = False  # some condition names a value set or a place in a code system
    path: str = ""  # of a search that its type alone does not name: "Patient/1/Observation"
    readable: frozenset[str] | None = None  # the types that may be included, None for all
    newest_of_each: bool = False  # of each status, category and code only the first in the order of the search


def goes_by(query: SearchQuery, source: str) -> bool:
    """Whether all resources of a type would be looked through for those that refer to what is searched."""
    waiting = [*query.conditions, *(each for _, conditions in query.types for each in conditions)]
    while waiting:
        condition = waiting.pop()
        waiting += inner(condition)
        if isinstance(condition, Has) and condition.source == source:
            return True
    return any(each.source == source for each in query.revincludes)


def types_in(query: SearchQuery) -> frozenset[str]:
    """Give the types whose resources the conditions look at besides those that are searched."""
    found: set[str] = set()
    waiting = [*query.conditions, *(each for _, conditions in query.types for each in conditions)]
    while waiting:
        condition = waiting.pop()
        waiting += inner(condition)
        match condition:
            case Chain(_, targets):
                found.update(target for target, _ in targets)
            case Has(source):
                found.add(source)
            case Match(_, "reference", "above" | "below", values):  # walks from one resource of the type to the next
                named = (r for v in values if isinstance(v, ReferenceValue) for r in v.references)
                found.update(kind for kind, slash, _ in (each.partition("/") for each in named) if slash)
    return frozenset(found)
