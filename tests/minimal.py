"""The smallest valid resource of any R4 type, built from R4's own facts: http://hl7.org/fhir/R4/resourcelist.html"""

from typing import Any, Final

import msgspec

from services.fhir.definitions import Element, required_codes, required_systems, type_definition

Json = dict[str, Any]

PRIMITIVES: Final[Json] = {
    "boolean": True,
    "integer": 7,
    "unsignedInt": 7,
    "positiveInt": 7,
    "decimal": 7,
    "string": "王秀英",
    "markdown": "*王秀英*",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">王秀英</div>',
    "base64Binary": "546L56eA6Iux",
    "uri": "http://example.org/uri",
    "url": "http://example.org/url",
    "canonical": "http://example.org/canonical",
    "oid": "urn:oid:2.16.156.10011.1.3",
    "uuid": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
    "id": "an-id",
    "code": "a-code",
    "date": "2024-05-01",
    "dateTime": "2024-05-01T08:00:00+08:00",
    "instant": "2024-05-01T08:00:00.120+08:00",
    "time": "08:00:00",
}
json_of: Final = msgspec.json.Encoder(decimal_format="number").encode  # a Decimal keeps its digits
_NOT_CONTENT: Final = frozenset({"id", "extension", "modifierExtension"})


def minimal(resource_type: str, **changes: Any) -> Json:
    """A valid resource with the required elements only; a None removes one."""
    made = {"resourceType": resource_type, **_required(resource_type), **changes}
    return {name: value for name, value in made.items() if value is not None}


def value_of(element: Element, fhir_type: str) -> Any:
    """The smallest valid value of an element as one of its types, in an array where it repeats."""
    value = _single(element, fhir_type)
    return value if element.max == 1 else [value]


def property_name(element: Element, fhir_type: str) -> str:
    return element.name + fhir_type[0].upper() + fhir_type[1:] if element.choice else element.name


def _single(element: Element, fhir_type: str) -> Any:
    if fhir_type == "Reference":
        return {"reference": f"{element.targets[0] if element.targets else 'Basic'}/an-id"}
    if fhir_type == "Resource":
        return minimal("Basic")
    if element.codes and fhir_type == "CodeableConcept":
        system, codes = next(iter(sorted(required_systems(element.codes).items())))
        return {"coding": [{"system": system, "code": min(codes)}]}
    if element.codes and fhir_type == "code":
        return min(required_codes(element.codes))
    return PRIMITIVES.get(fhir_type) or _object(fhir_type)


def _object(fhir_type: str) -> Json:
    """No object may be empty: where nothing is required the first element stands for all."""
    if required := _required(fhir_type):
        return required
    elements = type_definition(fhir_type).elements.values()
    return _property(next(e for e in elements if e.name not in _NOT_CONTENT))


def _required(fhir_type: str) -> Json:
    elements = [e for e in type_definition(fhir_type).elements.values() if e.min]
    return {name: value for element in elements for name, value in _property(element).items()}


def _property(element: Element) -> Json:
    return {property_name(element, element.types[0]): value_of(element, element.types[0])}
