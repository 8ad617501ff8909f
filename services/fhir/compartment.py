"""Which types tell of a patient, and by which parameters: http://hl7.org/fhir/R4/compartmentdefinition-patient.html"""

from functools import cache
from typing import Final

from services.fhir.definitions import patient_compartment, resource_types, search_parameters
from services.fhir.search.keys import text_key

# R4 leaves these out of the compartment, and a referral or an agreement is told by nothing else.
_ALSO: Final = {
    "Contract": ("subject", "signer"),
    "Device": ("patient",),
    "GuidanceResponse": ("subject",),
    "Task": ("patient", "requester", "owner"),
}


@cache
def patient_types() -> dict[str, tuple[str, ...]]:
    """Type → the reference parameters that bind it to a patient, Patient first, the others by name."""
    bound = {**patient_compartment(), **_ALSO}
    known = {t: tuple(c for c in bound[t] if c in search_parameters(t)) for t in resource_types() if t in bound}
    return {"Patient": known.pop("Patient"), **known}


def patient_keys(resource_type: str, patients: tuple[str, ...]) -> list[str]:
    """The index keys by which a resource of the type names one of the patients."""
    return [text_key(code, f"Patient/{p}") for code in patient_types()[resource_type] for p in patients]
