"""What of records only the platform writes: results of assessments, identifier systems, profiles and types of documents (docs/instruments.md).

An institution may say a level that it found by its own means; then it does not say that it was derived from a response here.
"""

from typing import Final

from services.fhir.business import Json, Reserved
from services.fhir.naming import naming_systems
from services.fhir.validation.profiles.shipped import shipped_profiles
from services.records.document_types import is_document_type

OWN_SYSTEMS: Final = "https://yiyang.example/fhir/CodeSystem/"


def _follows(observation: Json) -> bool:
    """In one of the platform's own code systems, and derived from a QuestionnaireResponse."""
    if "derivedFrom" not in observation:
        return False
    codings = observation["code"].get("coding", ())
    return any(each.get("system", "").startswith(OWN_SYSTEMS) for each in codings) and any(
        each.get("type") == "QuestionnaireResponse" or "QuestionnaireResponse/" in each.get("reference", "")
        for each in observation["derivedFrom"]
    )


def _is_published(naming_system: Json) -> bool:
    return any(each["id"] == naming_system.get("id") for each in naming_systems())


def _is_profile(definition: Json) -> bool:
    return any(each["id"] == definition.get("id") for each in shipped_profiles().values())


RESERVED: Final[Reserved] = {
    "Observation": _follows,
    "NamingSystem": _is_published,
    "StructureDefinition": _is_profile,
    **dict.fromkeys(("CodeSystem", "ValueSet", "ConceptMap"), is_document_type),
}
