"""R4 itself as compact facts: http://hl7.org/fhir/R4/resourcelist.html"""

from services.fhir.definitions.load import (
    patient_compartment,
    property_of,
    required_codes,
    required_systems,
    resource_types,
    search_parameters,
    type_definition,
)
from services.fhir.definitions.model import Element, SearchParameter, TypeDefinition

__all__ = [
    "Element",
    "SearchParameter",
    "TypeDefinition",
    "patient_compartment",
    "property_of",
    "required_codes",
    "required_systems",
    "resource_types",
    "search_parameters",
    "type_definition",
]
