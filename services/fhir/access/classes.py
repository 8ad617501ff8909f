"""Classes of data that a consent names, as resource types: http://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.class"""

from collections.abc import Iterable
from typing import Any, Final

from services.fhir.definitions import resource_types

RESOURCE_TYPES: Final = "http://hl7.org/fhir/resource-types"
OWN: Final = "https://yiyang.example/fhir/CodeSystem/data-class"
CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "demographics": ("Patient", "RelatedPerson", "Person"),
    "diagnoses": ("Condition", "AllergyIntolerance", "FamilyMemberHistory", "ClinicalImpression"),
    "medication": ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"),
    "observations": ("Observation", "DiagnosticReport", "ImagingStudy", "Media", "Specimen"),
    "assessments": ("QuestionnaireResponse", "RiskAssessment"),
    "care": ("CarePlan", "CareTeam", "Goal", "EpisodeOfCare", "Encounter", "Procedure", "NutritionOrder", "Flag"),
    "documents": ("Bundle", "Composition", "DocumentReference", "DocumentManifest"),
    "referral": ("ServiceRequest", "Task", "Appointment", "AppointmentResponse", "Communication"),
    "finance": ("Account", "ChargeItem", "Claim", "ClaimResponse", "Coverage", "ExplanationOfBenefit", "Invoice"),
}


def types_of(codings: Iterable[dict[str, Any]]) -> tuple[tuple[str, ...], bool]:
    """(types, whether every class was understood)."""
    found: set[str] = set()
    understood = True
    for coding in codings:
        system, code = coding.get("system"), coding.get("code", "")
        if system == RESOURCE_TYPES and code in resource_types():
            found.add(code)
        elif system == OWN and code in CLASSES:
            found.update(CLASSES[code])
        else:
            understood = False
    return tuple(sorted(found)), understood
