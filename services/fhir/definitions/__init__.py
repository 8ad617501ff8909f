"""R4 itself as compact facts: http://hl7.org/fhir/R4/resourcelist.html"""

from services.fhir.definitions.load import (
    compartments,
    invariant_places,
    invariant_text,
    invariants,
    own_parameters,
    patient_compartment,
    property_of,
    required_codes,
    required_systems,
    resource_types,
    search_parameters,
    summary_elements,
    type_definition,
)
from services.fhir.definitions.model import Element, Invariant, SearchParameter, TypeDefinition

__all__ = [
    "Element",
    "Invariant",
    "SearchParameter",
    "TypeDefinition",
    "compartments",
    "invariant_places",
    "invariant_text",
    "invariants",
    "own_parameters",
    "patient_compartment",
    "property_of",
    "required_codes",
    "required_systems",
    "resource_types",
    "search_parameters",
    "summary_elements",
    "type_definition",
]
