"""What FHIRPath collections hold here, and how their values compare: http://hl7.org/fhirpath/N1/#equality

A collection is a list of JSON values. A value is told apart from a list by its class alone, so nothing is wrapped.
"""

from collections.abc import Iterable
from typing import Any, Final

Collection = list[Any]


class _Valueless:
    """A primitive that is there by its id or extensions only."""


VALUELESS: Final = _Valueless()


def members(item: Any, name: str) -> Iterable[Any]:
    """Give the values of a JSON property, those included that only have an extension."""
    if item.__class__ is not dict:
        return ()
    value = item.get(name)
    if value.__class__ is list:
        return [VALUELESS if each is None else each for each in value]
    if value is not None:
        return (value,)
    beside = item.get(f"_{name}")
    if beside is None:
        return ()
    return [VALUELESS for each in beside if each is not None] if beside.__class__ is list else (VALUELESS,)


def children(item: Any) -> Collection:
    """Give all that an element holds, whatever its name."""
    if item.__class__ is not dict:
        return []
    names = dict.fromkeys(name.removeprefix("_") for name in item if name != "resourceType")
    return [child for name in names for child in members(item, name)]


def descendants(item: Any) -> Collection:
    found: Collection = []
    level = children(item)
    while level:
        found += level
        level = [child for each in level for child in children(each)]
    return found


def truth(collection: Collection) -> bool | None:
    """Read a collection where a boolean is wanted: one value that is no boolean is a yes, none is neither yes nor no."""
    if not collection:
        return None
    return collection[0] is not False if len(collection) == 1 else True


def key(value: Any) -> Any:
    """Give what is equal for equal values, and can be looked up."""
    if value.__class__ is dict:
        return frozenset((name, key(child)) for name, child in value.items())
    if value.__class__ is list:
        return tuple(map(key, value))
    return (value,) if value.__class__ is bool else value


def without_valueless(collection: Collection) -> Collection:
    return [each for each in collection if each is not VALUELESS] if VALUELESS in collection else collection


def equal(left: Collection, right: Collection) -> bool | None:
    left, right = without_valueless(left), without_valueless(right)
    if not left or not right:
        return None
    if len(left) == len(right) == 1 and left[0].__class__ is str:
        return bool(left[0] == right[0])
    return [*map(key, left)] == [*map(key, right)]
