"""Types that are open to any caller with scope: who and what there is, and definitions (docs/adr/0011).

A Schedule, a Slot or a report that names a patient is that patient's and not of the directory: http://hl7.org/fhir/R4/resourcelist.html
"""

from functools import cache
from typing import Final

from services.fhir.definitions import resource_types, type_definition

_INSTITUTIONS: Final = frozenset(
    {"Organization", "Practitioner", "PractitionerRole", "Location", "HealthcareService", "OrganizationAffiliation"}
)
_OFFERS: Final = frozenset({"Endpoint", "Schedule", "Slot", "InsurancePlan", "CatalogEntry"})
_SUBSTANCES: Final = ("Substance", "MedicinalProduct", "Medication")  # what each of these names begins
_NOT_SUBSTANCES: Final = frozenset(
    {"MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement"}
)
_OTHERS: Final = frozenset({"DeviceDefinition", "SpecimenDefinition", "ObservationDefinition"})


@cache
def directory_types() -> frozenset[str]:
    return frozenset(filter(_is_directory, resource_types()))


def _is_directory(resource_type: str) -> bool:
    if resource_type in _INSTITUTIONS | _OFFERS | _OTHERS:
        return True
    if resource_type.startswith(_SUBSTANCES):
        return resource_type not in _NOT_SUBSTANCES
    return _is_definition(resource_type)


def _is_definition(resource_type: str) -> bool:
    """A canonical resource: one that has a url, a status and a date of publication."""
    elements = type_definition(resource_type).elements
    return {"url", "status", "date", "publisher"} <= elements.keys() or resource_type == "NamingSystem"
