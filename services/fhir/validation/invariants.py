"""The invariants of R4, by the shape of the object that they are about: http://hl7.org/fhir/R4/conformance-rules.html#constraints

What the property names decide costs nothing: it is decided once for all objects of a shape. What is left becomes a closure over the value.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from services.fhir.definitions import Invariant, invariant_places, invariant_text, invariants, type_definition
from services.fhir.fhirpath.compile import compile_node
from services.fhir.fhirpath.dependence import names_the_root
from services.fhir.fhirpath.grammar import Call, Empty, Focus, Literal, Member, Node, parse_expression
from services.fhir.fhirpath.simplify import Shape, simplify
from services.fhir.fhirpath.values import truth
from services.fhir.validation.by_hand import BY_HAND
from services.fhir.validation.primitives import PRIMITIVES, Check
from services.fhir.validation.problems import Findings, Problem

ELSEWHERE: Final = frozenset(
    {"ele-1", "ext-1", "ref-1", "dom-2", "dom-3", "dom-4", "dom-5", "txt-1", "txt-2"}  # objects, contained, narrative
)
"""Invariants that other modules check while they read the structure."""


_RESOURCE: Final = frozenset({"resource"})


class Rules(NamedTuple):
    """What the shape of an object breaks already, and the checks that are left for its value."""

    findings: Findings
    checks: tuple[Check, ...]


NO_RULES: Final = Rules((), ())


def rules_of(type_: str, place: str) -> Callable[[Shape], Rules]:
    """Give the rules for values of a type that stand at a place; what a place adds is R4's, or nothing."""
    stated = [each for at in _places(type_, place) for each in _stated(at, type_, "error")]
    if not stated:
        return lambda _: NO_RULES

    def rules(shape: Shape) -> Rules:
        results = [_settle(at, invariant, node, type_, shape) for at, invariant, node in stated]
        return Rules(
            tuple(finding for result in results for finding in result.findings),
            tuple(check for result in results for check in result.checks),
        )

    return rules


def checks_of_primitive(type_: str, place: str) -> tuple[Check, ...]:
    """Give what R4 asks of a primitive at a place beyond its type."""
    return tuple(
        _check(compile_node(node, type_), _problem(place, each)) for _, each, node in _stated(place, type_, "error")
    )


def warnings_of(value: Any, type_: str, place: str) -> Iterator[Problem]:
    """Give what R4 warns of in a value of a type at a place."""
    for at, invariant, node in _warnings(type_, place):
        if not truth(compile_node(node, type_)(value)):
            yield _problem(at, invariant)


@cache
def _warnings(type_: str, place: str) -> tuple[tuple[str, Invariant, Node], ...]:
    """A contained resource needs no narrative of its own, nor does what is no DomainResource."""
    definition = type_definition(type_) if type_ not in PRIMITIVES else None
    is_whole = definition and definition.kind == "resource" and "text" in definition.elements
    inherited = ("DomainResource",) if is_whole and not place.endswith(".contained") else ()
    places = (*_places(type_, place), *inherited)
    return tuple(each for at in places for each in _stated(at, type_, "warning"))


def _places(type_: str, place: str) -> tuple[str, ...]:
    return (type_,) if place in ("", type_) else (type_, place)


@cache
def _stated(place: str, type_: str, severity: str) -> tuple[tuple[str, Invariant, Node], ...]:
    return tuple(
        (place, each, node)
        for each, node in (*_own(place), *_lifted(place, type_))
        if each.severity == severity and each.key not in ELSEWHERE
    )


def _own(place: str) -> Iterator[tuple[Invariant, Node]]:
    """Leave to the resource what an inner place asks of the resource."""
    for each in invariants(place):
        node = _parsed(each)
        if "." not in place or not names_the_root(node, _RESOURCE):
            yield each, node


def _lifted(place: str, type_: str) -> Iterator[tuple[Invariant, Node]]:
    if place != type_ or "." in place:
        return
    for inner in invariant_places():
        if inner.startswith(f"{type_}."):
            for each in invariants(inner):
                node = _parsed(each)
                if names_the_root(node, _RESOURCE):
                    yield each, Call(_path(inner), "all", (node,))


def _path(place: str) -> Node:
    node: Node = Focus()
    for name in place.split(".")[1:]:
        node = Member(node, name)
    return node


@cache
def _parsed(invariant: Invariant) -> Node:
    return parse_expression(invariant.expression) if invariant.key not in ELSEWHERE else Empty()


def _settle(place: str, invariant: Invariant, node: Node, type_: str, shape: Shape) -> Rules:
    problem = _problem(place, invariant)
    match simplify(node, shape):
        case Empty() | Literal(False):
            return Rules((("", problem),), ())
        case Literal():
            return NO_RULES
        case rest:
            by_hand = BY_HAND.get((place, invariant.key))
            if by_hand is not None:
                return Rules((), (_named(by_hand, problem),))
            return Rules((), (_check(compile_node(rest, type_), problem),))


def _check(evaluate: Callable[[Any], list[Any]], problem: Problem) -> Check:
    broken: Findings = (("", problem),)

    def check(value: Any) -> Findings:
        return () if truth(evaluate(value)) else broken

    return check


def _named(by_hand: Callable[[Any], list[str]], problem: Problem) -> Check:
    return lambda value: tuple((path, problem) for path in by_hand(value))


@cache
def _problem(place: str, invariant: Invariant) -> Problem:
    text = invariant_text(place, invariant.key) or f"不符合 FHIR R4 的规则 {invariant.key}"
    return Problem("invariant", f"{invariant.key}: {invariant.human}", text)
