"""R4 itself as compact facts: http://hl7.org/fhir/R4/resourcelist.html"""

from services.fhir.definitions.load import (
    invariant_places,
    invariant_text,
    invariants,
    patient_compartment,
    property_of,
    required_codes,
    required_systems,
    resource_types,
    search_parameters,
    type_definition,
)
from services.fhir.definitions.model import Element, Invariant, SearchParameter, TypeDefinition

__all__ = [
    "Element",
    "Invariant",
    "SearchParameter",
    "TypeDefinition",
    "invariant_places",
    "invariant_text",
    "invariants",
    "patient_compartment",
    "property_of",
    "required_codes",
    "required_systems",
    "resource_types",
    "search_parameters",
    "type_definition",
]
