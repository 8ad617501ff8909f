"""Whether a condition holds for one resource alone, by the values that would be its index: http://hl7.org/fhir/R4/search.html

It says what `store/matching.py` says in SQL, of versions that stand in no index: those of the past, and those to come.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

import msgspec

from services.fhir.search.index import date_parameters, index
from services.fhir.search.keys import exact_key, keys_of, string_key
from services.fhir.search.names import places
from services.fhir.search.query import Condition, DateValue, Match, Missing, StringValue, TokenValue
from services.fhir.search.row import IndexRow

_KEYS: Final = frozenset({"token", "reference", "uri"})
_MODIFIERS: Final[Mapping[str, frozenset[str | None]]] = {
    **dict.fromkeys(_KEYS, frozenset({None, "not"})),
    "string": frozenset({None, "exact", "contains"}),
    "date": frozenset({None}),
}
_PREFIXES: Final[Mapping[str, Callable[[Any, Any, DateValue], bool]]] = {
    "eq": lambda lo, hi, v: lo >= v.lo and hi <= v.hi,
    "ne": lambda lo, hi, v: not (lo >= v.lo and hi <= v.hi),
    "gt": lambda _, hi, v: hi > v.hi,
    "lt": lambda lo, _, v: lo < v.lo,
    "ge": lambda lo, hi, v: hi > v.hi or (lo >= v.lo and hi <= v.hi),
    "le": lambda lo, hi, v: lo < v.lo or (lo >= v.lo and hi <= v.hi),
    "sa": lambda lo, _, v: lo >= v.hi,
    "eb": lambda _, hi, v: hi <= v.lo,
}


class Held(msgspec.Struct, frozen=True):
    """A version as conditions see it."""

    id: str
    tokens: frozenset[str]
    row: IndexRow


def held(resource: dict[str, Any], base: str, zone: tzinfo | None) -> Held:
    row = index(resource["resourceType"], base, zone)(resource)
    return Held(resource.get("id", ""), frozenset(row.tokens), row)


def can_hold(condition: Condition, resource_type: str) -> bool:
    """Whether this module and the statements say the same of the condition, whatever else is stored, and at any time."""
    if not isinstance(condition, Match | Missing) or condition.parameter == "_lastUpdated":
        return False
    if condition.type == "date" and condition.parameter not in {d.code for d in date_parameters(resource_type)}:
        return False
    if isinstance(condition, Missing):
        return condition.type in _MODIFIERS
    prefixes = {value.prefix for value in condition.values if isinstance(value, DateValue)}
    return condition.modifier in _MODIFIERS.get(condition.type, ()) and prefixes <= _PREFIXES.keys()


def holds(condition: Condition, version: Held) -> bool:
    """TypeError for what can't be told here."""
    match condition:
        case Missing(_, _, missing):
            return _is_present(condition, version) is not missing
        case Match(_, "token" | "reference" | "uri"):
            return _has_key(condition, version) is not (condition.modifier == "not")
        case Match(_, "string"):
            return any(_has_text(condition, v, version) for v in condition.values if isinstance(v, StringValue))
        case Match(parameter, "date"):
            ranges = _ranges(parameter, version.row)
            asked = [v for v in condition.values if isinstance(v, DateValue)]
            return any(_PREFIXES[v.prefix](lo, hi, v) for v in asked for lo, hi in ranges)
        case _:
            raise TypeError(type(condition).__name__)


def _has_key(condition: Match, version: Held) -> bool:
    if condition.parameter == "_id":
        return any(isinstance(v, TokenValue) and v.code == version.id for v in condition.values)
    return any(key in version.tokens for value in condition.values for key in keys_of(condition.parameter, value))


def _has_text(condition: Match, value: StringValue, version: Held) -> bool:
    if condition.modifier == "exact":
        return exact_key(condition.parameter, value.text) in version.tokens
    for place, text in places(condition.parameter, value):
        start = string_key(place, "")
        if condition.modifier == "contains":
            if any(s.startswith(start) and text in s[len(start) :] for s in version.row.strings):
                return True
        elif any(s.startswith(string_key(place, text)) for s in version.row.strings):
            return True
    return False


def _ranges(parameter: str, row: IndexRow) -> Sequence[tuple[Any, Any]]:
    found = row.dates.get(parameter)
    return () if found is None else found.each or [(found.lo, found.hi)]


def _is_present(condition: Missing, version: Held) -> bool:
    if condition.parameter == "_id":
        return True
    if condition.type == "date":
        return condition.parameter in version.row.dates
    if condition.type == "string":
        return any(s.startswith(string_key(condition.parameter, "")) for s in version.row.strings)
    return any(k.startswith((f"{condition.parameter}=", f"{condition.parameter}:")) for k in version.tokens)
