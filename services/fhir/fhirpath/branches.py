"""Paths as typed branches, each a closure from a value to what lies at its end: http://hl7.org/fhir/R4/fhirpath.html#types"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from services.fhir.definitions import resource_types, type_definition
from services.fhir.fhirpath.values import Collection, members, truth

Values = Callable[[Any, Any], Collection]
"""(focus, Root) → collection. The focus is one value; inside iif() it is a list."""


class Branch(NamedTuple):
    """The values of an expression that are of one type; "" where only the value itself can tell."""

    type: str
    values: Values


Branches = tuple[Branch, ...]

UNTYPED: Final = frozenset({"", "Resource"})


def at_focus(this: Any, _root: Any) -> Collection:
    return [this] if this.__class__ is not list else [*this]


def constant(value: Any) -> Branch:
    return Branch("", lambda _this, _root: [value])


def boolean(values: Values) -> Branches:
    return (Branch("boolean", values),)


def joined(found: Branches) -> Values:
    if len(found) == 1:
        return found[0].values
    return lambda this, root: [each for branch in found for each in branch.values(this, root)]


def type_of(found: Branches) -> str:
    return found[0].type if len(found) == 1 else ""


def member(branch: Branch, name: str) -> Branches:
    """Follow an element; a choice branches into one property a type, what R4 does not define is empty."""
    if branch.type in UNTYPED:
        return (Branch("", _property(branch.values, name)),)
    element = type_definition(branch.type).elements.get(name)
    if element is None:
        return ()
    if not element.choice:
        return (Branch(element.types[0], _property(branch.values, name)),)
    names = ((name + type_[0].upper() + type_[1:], type_) for type_ in element.types)
    return tuple(Branch(type_, _property(branch.values, json_name)) for json_name, type_ in names)


def _property(source: Values, name: str) -> Values:
    if source is at_focus:
        return lambda this, _root: (
            [*members(this, name)] if this.__class__ is dict else _of_each(at_focus(this, None), name)
        )
    return lambda this, root: _of_each(source(this, root), name)


def _of_each(items: Collection, name: str) -> Collection:
    return [value for each in items for value in members(each, name)]


def narrowed(found: Branches, name: str) -> Branches:
    """Keep what is of the type; R4's own expressions are careless about its first letter."""
    if name in _resources():
        seen = tuple(Branch(name, _of_resource_type(each.values, name)) for each in found if each.type in UNTYPED)
        return seen + tuple(branch for branch in found if branch.type == name)
    return tuple(branch for branch in found if branch.type.lower() == name.lower())


def _of_resource_type(source: Values, name: str) -> Values:
    return lambda this, root: [
        each for each in source(this, root) if each.__class__ is dict and each.get("resourceType") == name
    ]


@cache
def _resources() -> frozenset[str]:
    return frozenset(resource_types())


def where(source: Values, criteria: Values) -> Values:
    return lambda this, root: [each for each in source(this, root) if truth(criteria(each, root))]


def select(source: Values, selected: Values) -> Values:
    return lambda this, root: [value for each in source(this, root) for value in selected(each, root)]


def every(source: Values, criteria: Values) -> Callable[[Any, Any], bool]:
    return lambda this, root: all(truth(criteria(each, root)) for each in source(this, root))
