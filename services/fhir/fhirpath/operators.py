"""The operators of FHIRPath: http://hl7.org/fhirpath/N1/#operations"""

from collections.abc import Callable, Mapping
from typing import Final

from services.fhir.fhirpath.functions import union
from services.fhir.fhirpath.order import at_most
from services.fhir.fhirpath.values import Collection, equal, key, truth, without_valueless

Operator = Callable[[Collection, Collection], Collection]


def _answer(value: bool | None) -> Collection:  # noqa: FBT001
    return [] if value is None else [value]


def _and(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001
    if left or right:
        return True
    return None if left is None or right is None else False


def _xor(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001
    return None if left is None or right is None else left is not right


def _implies(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001
    return _or(None if left is None else not left, right)


LOGIC: Final[Mapping[str, Callable[[bool | None, bool | None], bool | None]]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}
SETTLED_BY: Final[Mapping[str, bool]] = {"and": False, "or": True, "implies": False}
"""The left side that decides alone."""


def _logical(name: str) -> Operator:
    combine = LOGIC[name]
    return lambda left, right: _answer(combine(truth(left), truth(right)))


def _unequal(left: Collection, right: Collection) -> Collection:
    value = equal(left, right)
    return [] if value is None else [not value]


def _in_order(test: Callable[[object, object], bool]) -> Operator:
    """What cannot be known, as of quantities in different units, is taken as true."""
    return lambda left, right: [test(left[0], right[0])] if left and right else []


def _in(left: Collection, right: Collection) -> Collection:
    """Of several, each must be in it, as R4's own validator reads `when in (…)`; an element without a value is in nothing."""
    found, all_of_them = without_valueless(left), {*map(key, right)}
    return [all(key(each) in all_of_them for each in found)] if found else []


def _joined(left: Collection, right: Collection) -> Collection:
    return ["".join(str(each) for each in (*without_valueless(left)[:1], *without_valueless(right)[:1]))]


def _sum(left: Collection, right: Collection) -> Collection:
    return [left[0] + right[0]] if left and right else []


OPERATORS: Final[Mapping[str, Operator]] = {
    **{name: _logical(name) for name in LOGIC},
    "=": lambda left, right: _answer(equal(left, right)),
    "!=": _unequal,
    "<=": _in_order(lambda left, right: at_most(left, right) is not False),
    ">=": _in_order(lambda left, right: at_most(right, left) is not False),
    "<": _in_order(lambda left, right: at_most(right, left) is not True),
    ">": _in_order(lambda left, right: at_most(left, right) is not True),
    "in": _in,
    "contains": lambda left, right: _in(right, left),
    "|": union,
    "&": _joined,
    "+": _sum,
}
