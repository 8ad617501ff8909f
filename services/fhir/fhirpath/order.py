"""Which of two values comes first: http://hl7.org/fhirpath/N1/#comparison

Dates that are not equally exact are compared by what may be true. R5 writes its invariants so, R4 only means it:
`start.lowBoundary() <= end.highBoundary()`.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

_NUMBERS: Final = (int, Decimal)
_DAY: Final = len("2024-05-01")
_SECOND: Final = len("2024-05-01T10:00:00")
_EARLIEST_ZONE: Final = timedelta(hours=14)
_LATEST_ZONE: Final = timedelta(hours=12)


def at_most(left: Any, right: Any) -> bool | None:
    """Tell whether left <= right; None where it cannot be known."""
    if left.__class__ is str and right.__class__ is str:
        return _date_at_most(left, right)
    if left.__class__ in _NUMBERS and right.__class__ in _NUMBERS:
        return bool(left <= right)
    if left.__class__ is dict and right.__class__ is dict:
        return _quantity_at_most(left, right)
    return None


def _date_at_most(left: str, right: str) -> bool | None:
    """Dates are the only texts that R4 puts in order."""
    common = min(len(left), len(right))
    if max(len(left), len(right)) <= _DAY:
        return left[:common] <= right[:common]
    if common > _SECOND and left[_SECOND:] == right[_SECOND:]:
        return left[:_SECOND] <= right[:_SECOND]
    try:
        return _bounds(left)[0] < _bounds(right)[1]
    except (OverflowError, ValueError):
        return None


def _bounds(text: str) -> tuple[datetime, datetime]:
    """Give the half-open range in which a date may lie; one without a zone, in the zones of the whole world."""
    if len(text) > _DAY:
        moment = datetime.fromisoformat(text.replace(":60", ":59", 1))
        return moment, moment + timedelta(seconds=1)
    first = datetime(int(text[:4]), int(text[5:7] or 1), int(text[8:] or 1), tzinfo=UTC)
    days = 1 if len(text) == _DAY else 31 if "-" in text else 366
    return first - _EARLIEST_ZONE, first + timedelta(days=days) + _LATEST_ZONE


def _quantity_at_most(left: dict[str, Any], right: dict[str, Any]) -> bool | None:
    if any(left.get(name) != right.get(name) for name in ("system", "code", "unit")):
        return None
    return at_most(left.get("value"), right.get("value"))
