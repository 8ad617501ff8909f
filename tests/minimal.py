"""The smallest valid resource of any R4 type, built from R4's own facts: http://hl7.org/fhir/R4/resourcelist.html"""

from collections.abc import Mapping
from copy import deepcopy
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
# What R4's invariants ask beyond the cardinalities: http://hl7.org/fhir/R4/conformance-rules.html#constraints
_BY_INVARIANT: Final[Mapping[str, Json]] = {
    "AllergyIntolerance": {  # ait-1
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
            ]
        }
    },
    "Appointment": {"status": "proposed"},  # app-3
    "Appointment.participant": {"actor": {"reference": "Patient/an-id"}},  # app-1
    "AppointmentResponse": {"actor": {"reference": "Patient/an-id"}},  # apr-1
    "CapabilityStatement": {  # cpb-1, cpb-2, cpb-15
        "kind": "requirements",
        "description": "王秀英",
        "rest": [{"mode": "server"}],
    },
    "Consent": {"policyRule": {"text": "王秀英"}},  # ppc-1
    "TriggerDefinition": {"type": "named-event", "name": "王秀英"},  # trd-3
    "ImmunizationRecommendation.recommendation": {"targetDisease": {"text": "王秀英"}},  # imr-1
    "InsurancePlan": {"name": "王秀英"},  # ipn-1
    "Linkage": {"item": [{"type": "alternate", "resource": {"reference": "Basic/an-id"}}] * 2},  # lnk-1
    "MolecularSequence": {"coordinateSystem": 1},  # msq-3
    "Organization": {"name": "王秀英"},  # org-1
    "StructureDefinition": {  # sdf-4, sdf-6, sdf-8a
        "abstract": True,
        "type": "Basic",
        "differential": {"element": [{"id": "Basic", "path": "Basic"}]},
    },
    "Subscription": {"status": "requested", "criteria": "Basic?code=a-code"},
    "Subscription.channel": {
        "type": "rest-hook",
        "endpoint": "https://his.example.org/notifications",
        "payload": "application/fhir+json",
    },
    "TerminologyCapabilities": {"kind": "requirements", "description": "王秀英"},  # tcp-2, tcp-4
}
_NOT_CONTENT: Final = frozenset({"id", "extension", "modifierExtension"})


def minimal(resource_type: str, **changes: Any) -> Json:
    """A valid resource with what is required only; a None removes one."""
    made = {"resourceType": resource_type, **required_of(resource_type), **changes}
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
    if required := required_of(fhir_type):
        return required
    elements = type_definition(fhir_type).elements.values()
    return _property(next(e for e in elements if e.name not in _NOT_CONTENT))


def required_of(fhir_type: str) -> Json:
    """What an object of the type must have; nothing for most."""
    elements = [e for e in type_definition(fhir_type).elements.values() if e.min]
    required = {name: value for element in elements for name, value in _property(element).items()}
    return required | deepcopy(_BY_INVARIANT.get(fhir_type, {}))


def _property(element: Element) -> Json:
    return {property_name(element, element.types[0]): value_of(element, element.types[0])}
