"""The check of every R4 type, put together from the facts when it is first needed: http://hl7.org/fhir/R4/datatypes.html"""

from functools import cache, partial
from typing import Any

from services.fhir import definitions
from services.fhir.definitions import Element, resource_types, type_definition
from services.fhir.validation.coded import code_in, concept_in
from services.fhir.validation.objects import Property, array_of, object_check, or_null
from services.fhir.validation.primitives import PRIMITIVES, Check, check_string
from services.fhir.validation.problems import NOT_AN_OBJECT, Findings, found, instead_of
from services.fhir.validation.references import reference_to

_NO_TYPE = found(
    "structure", "The resourceType is missing or not a type of R4", "缺少 resourceType，或不是 R4 的资源类型"
)
_DOM_2 = found("invariant", "dom-2: a contained resource must not contain another", "被包含的资源不能再包含资源")
_RESOURCE_TYPE = Property(Element("resourceType", 1, 1, ("code",)), check_string)


def check_resource(value: Any) -> Findings:
    """Check a resource of whatever type it says it is."""
    if value.__class__ is not dict:
        return instead_of(NOT_AN_OBJECT, value)
    type_ = value.get("resourceType")
    if type_.__class__ is not str or type_ not in _resource_types():
        return _NO_TYPE
    return check_of(type_)(value)


def _check_contained(value: Any) -> Findings:
    findings = check_resource(value)
    return findings + _DOM_2 if value.__class__ is dict and "contained" in value else findings


@cache
def _resource_types() -> frozenset[str]:
    return frozenset(resource_types())


@cache
def check_of(type_: str) -> Check:
    """Give the check of a type; its elements' checks follow when an object shows them."""
    if type_ in PRIMITIVES:
        return PRIMITIVES[type_]
    if type_ == "Resource":
        return check_resource
    return object_check(type_definition(type_), partial(_property_of, type_))


def _property_of(type_: str, name: str, is_paired: bool) -> Property | None:  # noqa: FBT001
    if name == "resourceType" and type_ in _resource_types():
        return _RESOURCE_TYPE
    plain = name.removeprefix("_")
    found = definitions.property_of(type_, plain)
    if found is None or (name != plain and not _may_have_extension(type_, *found)):
        return None
    return _property(*found, is_extension=name != plain, is_paired=is_paired)


def _may_have_extension(type_: str, element: Element, element_type: str) -> bool:
    """Only ids, the URL of an extension and XHTML are plain values without `_x`."""
    is_plain = element.name == "id" or element_type == "xhtml" or (type_, element.name) == ("Extension", "url")
    return element_type in PRIMITIVES and not is_plain


@cache
def _property(element: Element, element_type: str, *, is_extension: bool, is_paired: bool) -> Property:
    check = _extensions() if is_extension else _check_of_element(element, element_type)
    if element.max != 1:
        check = array_of(or_null(check) if is_extension or is_paired else check)
    return Property(element, check)


@cache
def _extensions() -> Check:
    """Check what stands in `_x`: the id and the extensions of a primitive, the same for all of them."""
    return object_check(type_definition("string"), partial(_property_of, "string"))


def _check_of_element(element: Element, element_type: str) -> Check:
    if element.name == "contained":
        return _check_contained
    if element_type == "Reference":
        return _reference_to(element.targets)
    if element.codes is None:
        return check_of(element_type)
    if element_type == "code":
        return _code_in(element.codes)
    return concept_in(element.codes, check_of(element_type))


@cache
def _reference_to(targets: tuple[str, ...]) -> Check:
    return reference_to(targets, check_of("Reference"))


@cache
def _code_in(value_set: str) -> Check:
    return code_in(value_set)
