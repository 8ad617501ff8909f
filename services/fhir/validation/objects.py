"""Objects and arrays: which elements there are, and each by its type: http://hl7.org/fhir/R4/json.html"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice, zip_longest
from operator import call
from typing import Any, NamedTuple

from services.fhir.definitions import Element, TypeDefinition
from services.fhir.validation.primitives import Check
from services.fhir.validation.problems import (
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
    instead_of,
    segment_of,
)

_MOST_SHAPES = 256


class Property(NamedTuple):
    """A JSON property of a type: the element it stands for and the check of its value."""

    element: Element
    check: Check


PropertyOf = Callable[[str, bool], Property | None]
"""Finds a property by its JSON name; the flag says that both `x` and `_x` are there."""


class _Shape(NamedTuple):
    """What the property names alone decide: the checks of the values in their order, and what is wrong already."""

    checks: tuple[Check, ...]
    findings: Findings
    segments: tuple[str, ...]
    aligned: tuple[str, ...]


def object_check(definition: TypeDefinition, property_of: PropertyOf) -> Check:
    """Check objects of a type; objects with the same property names share one plan, made when first seen."""
    shapes: dict[tuple[str, ...], _Shape] = {}

    def shape_of(names: tuple[str, ...]) -> _Shape:
        shape = _shape(definition, names, property_of)
        if not shape.findings and len(shapes) < _MOST_SHAPES:
            shapes[names] = shape
        return shape

    def check(value: Any) -> Findings:
        if value.__class__ is not dict:
            return instead_of(NOT_AN_OBJECT, value)
        if not value:
            return EMPTY
        names = (*value,)
        checks, findings, segments, aligned = shapes.get(names) or shape_of(names)
        results = [*map(call, checks, value.values())]
        if any(results):
            findings += _under(segments, results)
        if aligned:
            findings += tuple(chain.from_iterable(_unaligned(value, name) for name in aligned))
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
    found = (
        (segment + path, problem) for segment, result in zip(segments, results, strict=True) for path, problem in result
    )
    return tuple(islice(found, MOST))


def or_null(check: Check) -> Check:
    """Let null stand in an array where the extension beside it, or the value, has its place."""
    return lambda value: () if value is None else check(value)


def _shape(definition: TypeDefinition, names: tuple[str, ...], property_of: PropertyOf) -> _Shape:
    all_names = frozenset(names)
    found = [(name, property_of(name, _counterpart(name) in all_names)) for name in names]
    known = [(name, property_) for name, property_ in found if property_]
    given: defaultdict[str, set[str]] = defaultdict(set)
    for name, property_ in known:
        given[property_.element.name].add(name.removeprefix("_"))
    unknown = ((segment_of(name), UNKNOWN) for name, property_ in found if property_ is None)
    return _Shape(
        tuple(property_.check if property_ else _accept for _, property_ in found),
        (*islice(unknown, MOST), *_of_elements(definition, given)),
        tuple(f".{property_.element.name}" if property_ else "" for _, property_ in found),
        tuple(name[1:] for name, property_ in known if name[0] == "_" and property_.element.max != 1),
    )


def _counterpart(name: str) -> str:
    return name[1:] if name.startswith("_") else f"_{name}"


def _of_elements(definition: TypeDefinition, given: Mapping[str, set[str]]) -> Findings:
    """Find what is missing, what is given in two types, and an extension with neither or both (ext-1)."""
    required = (element.name for element in definition.elements.values() if element.min)
    missing = tuple((f".{name}", MISSING) for name in required if name not in given)
    too_many = tuple((f".{element}", TOO_MANY) for element, names in given.items() if len(names) > 1)
    neither_or_both = definition.name == "Extension" and ("value" in given) == ("extension" in given)
    return missing + too_many + ((("", EXT_1),) if neither_or_both else ())


def _accept(_: object) -> Findings:
    return ()


def _unaligned(value: dict[str, Any], name: str) -> Findings:
    """Compare the values of a repeating primitive with the extensions beside them, null for null."""
    values, extensions = value.get(name, []), value[f"_{name}"]
    if not isinstance(values, list) or not isinstance(extensions, list):
        return ()
    different = name in value and len(values) != len(extensions)
    both_null = any(one is None and other is None for one, other in zip_longest(values, extensions))
    return ((f".{name}", UNALIGNED),) if different or both_null else ()
