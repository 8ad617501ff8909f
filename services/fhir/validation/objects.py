"""Objects and arrays: which elements there are, and each by its type: http://hl7.org/fhir/R4/json.html"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, islice, repeat, zip_longest
from operator import call
from typing import Any, NamedTuple

from services.fhir.definitions import Element, TypeDefinition
from services.fhir.fhirpath.simplify import Shape
from services.fhir.validation.invariants import Rules
from services.fhir.validation.primitives import PRIMITIVES, Check
from services.fhir.validation.problems import (
    ELE_1,
    EMPTY,
    EXT_1,
    MISSING,
    MOST,
    NOT_AN_ARRAY,
    NOT_AN_OBJECT,
    TOO_MANY,
    UNALIGNED,
    UNKNOWN,
    Findings,
    LocalReference,
    Problem,
    instead_of,
    is_malformed,
    segment_of,
)

_MOST_SHAPES = 256


class Property(NamedTuple):
    """A JSON property of a type: the element it stands for and the check of its value."""

    element: Element
    check: Check


PropertyOf = Callable[[str, bool], Property | None]
"""Finds a property by its JSON name; the flag says that both `x` and `_x` are there."""


RulesOf = Callable[[Shape], Rules]
"""Finds what is asked of the object as a whole."""


class _Plan(NamedTuple):
    """What the property names alone decide: the checks of the values in their order, and what is wrong already."""

    checks: tuple[Check, ...]
    findings: Findings
    segments: tuple[str, ...]
    aligned: tuple[str, ...]
    rules: tuple[Check, ...]


def object_check(definition: TypeDefinition, property_of: PropertyOf, rules_of: RulesOf) -> Check:
    """Check objects of a type; objects with the same property names share one plan, made when first seen."""
    shapes: dict[tuple[str, ...], _Plan] = {}

    def shape_of(names: tuple[str, ...]) -> _Plan:
        shape = _plan(definition, names, property_of, rules_of)
        if not shape.findings and len(shapes) < _MOST_SHAPES:
            shapes[names] = shape
        return shape

    def check(value: Any) -> Findings:
        if value.__class__ is not dict:
            return instead_of(NOT_AN_OBJECT, value)
        if not value:
            return EMPTY
        names = (*value,)
        checks, findings, segments, aligned, rules = shapes.get(names) or shape_of(names)
        results = [*map(call, checks, value.values())]
        if any(results):
            findings += _under(segments, results)
        if aligned:
            findings += tuple(chain.from_iterable(_unaligned(value, name) for name in aligned))
        if rules and not is_malformed(findings):
            findings += tuple(chain.from_iterable(map(call, rules, repeat(value))))
        return findings

    return check


def array_of(check_item: Check) -> Check:
    def check(value: Any) -> Findings:
        if value.__class__ is not list:
            return instead_of(NOT_AN_ARRAY, value)
        if not value:
            return EMPTY
        results = [*map(check_item, value)]
        return _under([f"[{index}]" for index in range(len(value))], results) if any(results) else ()

    return check


def _under(segments: Iterable[str], results: Iterable[Findings]) -> Findings:
    """Put what was found about the children in the terms of their parent."""
    found = [
        (segment + path, problem) for segment, result in zip(segments, results, strict=True) for path, problem in result
    ]
    return tuple(found) if len(found) <= MOST else _fewer(found)


def _fewer(found: Sequence[tuple[str, Problem]]) -> Findings:
    """Local references wait for the resource to settle them: they crowd nothing out."""
    settled = islice((each for each in found if not isinstance(each[1], LocalReference)), MOST)
    return (*settled, *(each for each in found if isinstance(each[1], LocalReference)))


def or_null(check: Check) -> Check:
    """Let null stand in an array where the extension beside it, or the value, has its place."""
    return lambda value: () if value is None else check(value)


def _plan(definition: TypeDefinition, names: tuple[str, ...], property_of: PropertyOf, rules_of: RulesOf) -> _Plan:
    all_names = frozenset(names)
    found = [(name, property_of(name, _counterpart(name) in all_names)) for name in names]
    known = [(name, property_) for name, property_ in found if property_]
    given: defaultdict[str, set[str]] = defaultdict(set)
    for name, property_ in known:
        given[property_.element.name].add(name.removeprefix("_"))
    unknown = ((segment_of(name), UNKNOWN) for name, property_ in found if property_ is None)
    rules = rules_of(_shape(known))
    return _Plan(
        tuple(property_.check if property_ else _accept for _, property_ in found),
        (*islice(unknown, MOST), *_of_elements(definition, given), *rules.findings),
        tuple(f".{property_.element.name}" if property_ else "" for _, property_ in found),
        tuple(name[1:] for name, property_ in known if name[0] == "_" and property_.element.max != 1),
        rules.checks,
    )


def _shape(known: list[tuple[str, Property]]) -> Shape:
    single = {name: property_.element for name, property_ in known if property_.element.max == 1}
    valued = frozenset(element.name for name, element in single.items() if name[0] != "_" and _is_primitive(element))
    present = frozenset(property_.element.name for _, property_ in known)
    return Shape(present, valued, frozenset(element.name for element in single.values()) - valued)


def _is_primitive(element: Element) -> bool:
    return element.types[0] in PRIMITIVES and not element.choice


def _counterpart(name: str) -> str:
    return name[1:] if name.startswith("_") else f"_{name}"


def _of_elements(definition: TypeDefinition, given: Mapping[str, set[str]]) -> Findings:
    """Find what is missing, what is given in two types, and an extension with neither or both (ext-1)."""
    required = (element.name for element in definition.elements.values() if element.min)
    missing = tuple((f".{name}", MISSING) for name in required if name not in given)
    too_many = tuple((f".{element}", TOO_MANY) for element, names in given.items() if len(names) > 1)
    return missing + too_many + _of_the_whole(definition, given.keys())


def _of_the_whole(definition: TypeDefinition, given: Collection[str]) -> Findings:
    """ele-1 holds for every element but resources, and of a primitive's `_x` only where no value is beside it."""
    if definition.name == "Extension" and ("value" in given) == ("extension" in given):
        return (("", EXT_1),)
    is_bare = definition.kind in ("complex", "backbone") and set(given) == {"id"}
    return (("", ELE_1),) if is_bare else ()


def _accept(_: object) -> Findings:
    return ()


def _unaligned(value: dict[str, Any], name: str) -> Findings:
    """Compare the values of a repeating primitive with the extensions beside them, null for null."""
    values, extensions = value.get(name, []), value[f"_{name}"]
    if not isinstance(values, list) or not isinstance(extensions, list):
        return ()
    alone = [other for one, other in zip_longest(values, extensions) if one is None]
    if None in alone or (name in value and len(values) != len(extensions)):
        return ((f".{name}", UNALIGNED),)
    return ((f".{name}", ELE_1),) if any(map(is_bare, alone)) else ()


def is_bare(extensions: Any) -> bool:
    """Tell whether what stands for a value that is not there is an id alone (ele-1)."""
    return extensions.__class__ is dict and extensions.keys() == {"id"}
