"""The check of every R4 type, put together from the facts when it is first needed: http://hl7.org/fhir/R4/datatypes.html"""

from functools import cache, partial
from itertools import chain, repeat
from operator import call
from typing import Any

from services.fhir import definitions
from services.fhir.definitions import Element, invariants, resource_types, type_definition
from services.fhir.validation.coded import code_in, concept_in
from services.fhir.validation.contained import check_contained, settle
from services.fhir.validation.invariants import checks_of_primitive, rules_of
from services.fhir.validation.objects import Property, array_of, is_bare, object_check, or_null
from services.fhir.validation.primitives import PRIMITIVES, Check, check_string
from services.fhir.validation.problems import ELE_1, NOT_AN_OBJECT, Findings, found, instead_of, is_malformed
from services.fhir.validation.profiles import check_claims
from services.fhir.validation.references import reference_to

_NO_TYPE = found(
    "structure", "The resourceType is missing or not a type of R4", "缺少 resourceType，或不是 R4 的资源类型"
)
_RESOURCE_TYPE = Property(Element("resourceType", 1, 1, ("code",)), check_string)
_ONLY_AN_ID: Findings = (("", ELE_1),)


def check_resource(value: Any) -> Findings:
    """Check a resource of whatever type it says it is, as a whole of its own: also one in a Bundle."""
    findings = _check_part(value)
    if findings or "contained" in value:
        findings = settle(findings, value)
    if "meta" in value and not is_malformed(findings):
        findings += check_claims(value)
    return findings


def _check_part(value: Any) -> Findings:
    if value.__class__ is not dict:
        return instead_of(NOT_AN_OBJECT, value)
    type_ = value.get("resourceType")
    if type_.__class__ is not str or type_ not in _resource_types():
        return _NO_TYPE
    return check_of(type_)(value)


@cache
def _resource_types() -> frozenset[str]:
    return frozenset(resource_types())


@cache
def check_of(type_: str, place: str = "") -> Check:
    """Give the check of a type, at a place that asks more of it; its elements' checks follow when an object shows them."""
    if type_ in PRIMITIVES:
        return PRIMITIVES[type_]
    if type_ == "Resource":
        return check_resource
    return object_check(type_definition(type_), partial(_property_of, type_), rules_of(type_, place))


def _property_of(type_: str, name: str, is_paired: bool) -> Property | None:  # noqa: FBT001
    if name == "resourceType" and type_ in _resource_types():
        return _RESOURCE_TYPE
    plain = name.removeprefix("_")
    found = definitions.property_of(type_, plain)
    if found is None:
        return None
    element, element_type = found
    if name != plain:
        return _beside(element, is_paired=is_paired) if _may_have_extension(type_, *found) else None
    place = f"{type_}.{element.name}"
    return _property(element, element_type, place if invariants(place) else "", is_paired=is_paired)


def _may_have_extension(type_: str, element: Element, element_type: str) -> bool:
    """Only ids, the URL of an extension and XHTML are plain values without `_x`."""
    is_plain = element.name == "id" or element_type == "xhtml" or (type_, element.name) == ("Extension", "url")
    return element_type in PRIMITIVES and not is_plain


@cache
def _property(element: Element, element_type: str, place: str, *, is_paired: bool) -> Property:
    check = _check_of_element(element, element_type, place)
    if element.max != 1:
        check = array_of(or_null(check) if is_paired else check)
    return Property(element, check)


@cache
def _beside(element: Element, *, is_paired: bool) -> Property:
    """What stands in `_x`: the id and the extensions of a primitive."""
    if element.max != 1:
        return Property(element, array_of(or_null(_extensions())))
    return Property(element, _extensions() if is_paired else _extensions_alone)


@cache
def _extensions() -> Check:
    return object_check(type_definition("string"), partial(_property_of, "string"), rules_of("string", ""))


def _extensions_alone(value: Any) -> Findings:
    return _extensions()(value) or (_ONLY_AN_ID if is_bare(value) else ())


def _check_of_element(element: Element, element_type: str, place: str) -> Check:
    if element.name == "contained":
        return lambda value: check_contained(value, _check_part)
    if element_type in PRIMITIVES:
        return _at_place(_check_of_primitive(element, element_type), element_type, place)
    if element_type == "Reference":
        return _reference_to(element.targets)
    check = check_of(element_type, place)
    return concept_in(element.codes, check) if element.codes else check


def _check_of_primitive(element: Element, element_type: str) -> Check:
    return _code_in(element.codes) if element.codes and element_type == "code" else check_of(element_type)


def _at_place(check: Check, type_: str, place: str) -> Check:
    rules = checks_of_primitive(type_, place) if place else ()
    if not rules:
        return check
    return lambda value: check(value) or tuple(chain.from_iterable(map(call, rules, repeat(value))))


@cache
def _reference_to(targets: tuple[str, ...]) -> Check:
    return reference_to(targets, check_of("Reference"))


@cache
def _code_in(value_set: str) -> Check:
    return code_in(value_set)
