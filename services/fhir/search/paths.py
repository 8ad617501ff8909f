"""Search expressions resolved against R4's types, so that nothing is looked up at run time: http://hl7.org/fhir/R4/fhirpath.html"""

from typing import Any

import msgspec

from services.fhir.definitions import type_definition
from services.fhir.fhirpath.functions import referenced_type
from services.fhir.fhirpath.grammar import At, Binary, Call, Focus, Literal, Member, Node, Variable, parse_expression
from services.fhir.search.walk import Evaluate, Field, Step, Test, Where, bind

_ANY_RESOURCE = frozenset({"Resource", "DomainResource"})


class Branch(msgspec.Struct, frozen=True):
    """One typed path of an expression; `rooted` paths start at %resource instead of the focus."""

    steps: tuple[Step, ...]
    type: str
    rooted: bool = False

    def then(self, *steps: Step, type: str | None = None) -> "Branch":  # noqa: A002
        return Branch((*self.steps, *steps), type or self.type, self.rooted)


Branches = tuple[Branch, ...]


def branches(expression: str, base: str) -> Branches:
    """Resolve an expression for a focus of type `base` (a resource type or a backbone such as `Observation.component`)."""
    node = parse_expression(expression)
    if _is_test(node):
        return (Branch((Evaluate(_test(node, base)),), "boolean"),)
    return _resolve(node, (Branch((), base),))


def _resolve(node: Node, focus: Branches) -> Branches:
    match node:
        case Focus() | Variable("resource"):
            return focus if node == Focus() else tuple(_root(branch) for branch in focus)
        case Member(Focus(), name) if name[0].isupper():
            return focus if name in _ANY_RESOURCE else tuple(branch for branch in focus if branch.type == name)
        case Member(source, name):
            return tuple(found for branch in _resolve(source, focus) for found in _member(branch, name))
        case Binary("|", left, right):
            return _resolve(left, focus) + _resolve(right, focus)
        case Binary("as", source, Member(Focus(), name)):
            return _of_type(_resolve(source, focus), name)
        case At(source) | Call(source):
            return _narrowed(_resolve(source, focus), node)
    raise ValueError(f"not a path: {node}")


def _root(focus: Branch) -> Branch:
    return Branch((), focus.type.partition(".")[0], rooted=True)


def _member(branch: Branch, name: str) -> Branches:
    """Follow an element; a choice branches into one property per type."""
    element = type_definition(branch.type).elements.get(name)
    if element is None:
        raise ValueError(f"{branch.type} has no element {name}")
    many = element.max != 1
    if not element.choice:
        return (branch.then(Field(name, many), type=element.types[0]),)
    return tuple(branch.then(Field(name + type_[0].upper() + type_[1:], many), type=type_) for type_ in element.types)


def _of_type(found: Branches, name: str) -> Branches:
    """Compare without case: R4's own expressions have `as(DateTime)`."""
    return tuple(branch for branch in found if branch.type.lower() == name.lower())


def _at(branch: Branch, position: int) -> Branch:
    *steps, last = branch.steps
    if not isinstance(last, Field) or any(isinstance(step, Field) and step.many for step in steps):
        raise ValueError("[n] is understood on the first repeating element only")
    return Branch((*steps, Field(last.name, last.many, position)), branch.type, branch.rooted)


def _narrowed(found: Branches, node: At | Call) -> Branches:
    match node:
        case At(_, position):
            return tuple(_at(branch, position) for branch in found)
        case Call(_, "as" | "ofType", (Member(Focus(), name),)):
            return _of_type(found, name)
        case Call(_, "where", (criteria,)):
            return tuple(branch.then(Where(_test(criteria, branch.type))) for branch in found)
        case Call(_, "extension", (Literal(url),)):
            steps = (Field("extension", many=True), Where(lambda extension: bool(extension.get("url") == url)))
            return tuple(branch.then(*steps, type="Extension") for branch in found)
    raise ValueError(f"not a function of a search expression: {node}")


def _is_test(node: Node) -> bool:
    match node:
        case Binary(operator):
            return operator in ("and", "or", "=", "!=", "is")
        case Call(_, function):
            return function in ("exists", "hasExtension")
    return False


def _test(node: Node, focus_type: str) -> Test:
    match node:
        case Binary("and", left, right):
            first, second = _test(left, focus_type), _test(right, focus_type)
            return lambda value: first(value) and second(value)
        case Binary("or", left, right):
            first, second = _test(left, focus_type), _test(right, focus_type)
            return lambda value: first(value) or second(value)
        case Binary("=" | "!=" as operator, path, Literal(literal)):
            return _comparison(_values_of(path, focus_type), literal, equal=operator == "=")
        case Binary("is", Call(Focus(), "resolve", ()), Member(Focus(), name)):
            return lambda reference: referenced_type(reference) == name
        case Call(Focus(), "hasExtension", (Literal(url),)):
            return lambda value: any(extension.get("url") == url for extension in value.get("extension", ()))
        case Call(path, "exists", ()):
            values = _values_of(path, focus_type)
            return lambda value: bool(values(value))
    raise ValueError(f"not a test of a search expression: {node}")


def _comparison(values: Any, literal: Any, *, equal: bool) -> Test:
    def test(value: Any) -> bool:
        found = values(value)
        return bool(found) and (found == [literal]) is equal

    return test


def _values_of(path: Node, focus_type: str) -> Any:
    walks = [bind(branch.steps, _collect) for branch in _resolve(path, (Branch((), focus_type),))]

    def values(value: Any) -> list[Any]:
        found: list[Any] = []
        for walk in walks:
            walk(value, found)
        return found

    return values


def _collect(value: Any, found: list[Any]) -> None:
    found.append(value)
