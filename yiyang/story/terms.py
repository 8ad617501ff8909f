"""The systems and codes that the story uses; `.example` names nobody's host (RFC 2606) until a platform gives its own."""

from typing import Final

from yiyang.story.elements import Json, coding, concept

CANONICAL: Final = "https://yiyang.example/fhir"

LOINC: Final = "http://loinc.org"
ICD10: Final = "urn:oid:2.16.156.10011.2.3.3.11.3"
ID_CARD: Final = "urn:oid:2.16.156.10011.1.3"
ID_CARD_OF_HL7_CHINA: Final = "urn:oid:2.16.840.1.113883.2.23.1.19.1"  # an alias of the same
HEALTH_RECORD: Final = "urn:oid:2.16.156.10011.1.2"
INPATIENT_NUMBER: Final = "urn:oid:2.16.156.10011.1.12"
STAFF_NUMBER: Final = "urn:oid:2.16.156.10011.1.4"
USCC: Final = f"{CANONICAL}/sid/uscc"
REFERRAL_NUMBER: Final = f"{CANONICAL}/sid/referral-no"
REFERRAL_CHAIN: Final = f"{CANONICAL}/sid/referral-chain"

HL7: Final = "http://terminology.hl7.org/CodeSystem"
CLINICAL: Final = f"{HL7}/condition-clinical"
ACT: Final = f"{HL7}/v3-ActCode"

UP: Final = ("up", "上转")
DOWN: Final = ("down", "下转")


def local(system: str, code: str, display: str) -> Json:
    """A coding of one of the platform's own code systems."""
    return coding(f"{CANONICAL}/CodeSystem/{system}", code, display)


def loinc(code: str, display: str) -> Json:
    return coding(LOINC, code, display)


def meta(profile: str, source: str) -> Json:
    """What every exchanged resource says: its profile, and the institution that wrote it."""
    return {"profile": [f"{CANONICAL}/StructureDefinition/{profile}"], "source": f"{CANONICAL}/source/{source}"}


def category(code: str, display: str) -> Json:
    return concept(coding(f"{HL7}/observation-category", code, display))
