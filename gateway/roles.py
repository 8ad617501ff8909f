"""The roles of people and machines, and what each may ask for at most; whose data it is, the access predicate decides.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html · docs/glossary.md
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import msgspec

from gateway.scopes import ADMIN_ORGANIZATION, FHIR_USER, OFFLINE, ONLINE, OPENID, Scopes, grant, read_scopes
from services.fhir.scopes import parse_scopes

_DIRECTORY: Final = (
    "Endpoint HealthcareService Location Organization OrganizationAffiliation Practitioner PractitionerRole"
)
_KNOWLEDGE: Final = (
    "ActivityDefinition CodeSystem ConceptMap Measure NamingSystem PlanDefinition Questionnaire ValueSet"
)
_OPEN: Final = f"{_DIRECTORY} {_KNOWLEDGE}"
_RECORD: Final = (
    "AdverseEvent AllergyIntolerance Binary CarePlan CareTeam ClinicalImpression Communication Composition Condition Consent DetectedIssue "
    "Device DiagnosticReport DocumentReference Encounter EpisodeOfCare FamilyMemberHistory Flag Goal ImagingStudy Immunization List "
    "MedicationAdministration MedicationDispense MedicationRequest MedicationStatement NutritionOrder Observation Patient Procedure "
    "QuestionnaireResponse RelatedPerson RiskAssessment ServiceRequest Specimen Task"
)
_REFERRAL: Final = "Appointment AppointmentResponse Communication Composition Consent DocumentReference Schedule ServiceRequest Slot Task"
_PHYSICIAN: Final = (
    "AdverseEvent AllergyIntolerance CarePlan CareTeam ClinicalImpression Condition DetectedIssue DiagnosticReport Encounter EpisodeOfCare "
    "Flag Goal Immunization MedicationRequest MedicationStatement NutritionOrder Observation Procedure QuestionnaireResponse RiskAssessment"
)
_NURSE: Final = (
    "AdverseEvent CarePlan CareTeam ClinicalImpression Communication DetectedIssue Encounter Flag Goal MedicationAdministration "
    "NutritionOrder Observation Procedure QuestionnaireResponse RiskAssessment Task"
)
# "Caregivers see care plan and risk flags, not the full clinical record."
_CARE: Final = "CarePlan CareTeam Communication Encounter Flag Goal NutritionOrder Patient Procedure Task"
_ADMISSION: Final = (
    "Account Contract Coverage EpisodeOfCare Location Organization Patient Practitioner PractitionerRole RelatedPerson"
)
_OWN: Final = f"{_RECORD} Account Appointment Contract Coverage Invoice"


class Role(msgspec.Struct, frozen=True):
    """`scopes`: letters → types, in `context`. `people`: the types of resource that such a person may be."""

    name: str
    context: str
    people: tuple[str, ...]
    scopes: tuple[tuple[str, str], ...]
    purposes: tuple[str, ...] = ("TREAT",)
    rights: tuple[str, ...] = (OPENID, FHIR_USER, ONLINE, OFFLINE)
    needs_totp: bool = False


_STAFF: Final = ("Practitioner",)
_CLINICAL: Final = ("TREAT", "ETREAT", "BTG", "CAREMGT", "COC")
_SYSTEM: Final = ("Device", "Organization")

# fmt: off
ROLES: Final[Mapping[str, Role]] = {
    "physician": Role("医师", "user", _STAFF, (("rs", f"{_RECORD} {_REFERRAL} {_OPEN} Coverage"), ("crus", f"{_PHYSICIAN} {_REFERRAL}")), _CLINICAL),
    "nurse": Role("护士", "user", _STAFF, (("rs", f"{_RECORD} {_REFERRAL} {_OPEN}"), ("crus", _NURSE)), _CLINICAL),
    "caregiver": Role("护理员", "user", _STAFF, (("rs", f"{_CARE} {_OPEN}"), ("c", "AdverseEvent Communication Observation Procedure"), ("u", "Task")), ("TREAT", "CAREMGT")),
    "referral-coordinator": Role("转诊专员", "user", _STAFF, (("rs", f"{_RECORD} {_REFERRAL} {_OPEN} Contract Coverage"), ("crus", _REFERRAL)), ("TREAT", "COC", "PATADMIN")),
    "family-doctor": Role("家庭医生", "user", _STAFF, (("rs", f"{_RECORD} {_REFERRAL} {_OPEN} Contract Coverage"), ("crus", f"{_PHYSICIAN} {_REFERRAL} Contract")), _CLINICAL),
    "assessor": Role("评估员", "user", _STAFF, (("rs", f"CarePlan Condition Coverage Flag MedicationStatement Observation Patient QuestionnaireResponse RiskAssessment Task {_OPEN}"),
                                              ("crus", "CoverageEligibilityRequest CoverageEligibilityResponse Observation QuestionnaireResponse RiskAssessment Task")), ("TREAT", "COVAUTH", "ELIGDTRM")),
    "pharmacist": Role("药师", "user", _STAFF, (("rs", f"AllergyIntolerance Condition Medication MedicationAdministration MedicationRequest MedicationStatement Observation Patient Task {_OPEN}"),
                                              ("crus", "DetectedIssue Medication MedicationDispense SupplyDelivery Task")), ("TREAT",)),
    "institution-admin": Role("机构管理员", "user", _STAFF, (("rs", f"{_OPEN} Account Contract Coverage EpisodeOfCare Patient RelatedPerson Schedule Slot Task"), ("crus", f"{_ADMISSION} Schedule Slot")),
                              ("HOPERAT", "PATADMIN"), (OPENID, FHIR_USER, ONLINE, ADMIN_ORGANIZATION), needs_totp=True),
    "consortium-admin": Role("医联体管理员", "user", _STAFF, (("rs", f"{_OPEN} Contract MeasureReport Task"), ("crus", "Contract OrganizationAffiliation")),
                             ("HOPERAT", "HQUALIMP"), (OPENID, FHIR_USER, ONLINE), needs_totp=True),
    # "Supervisors read MeasureReport and de-identified extracts only."
    "supervisor": Role("监管", "user", _STAFF, (("rs", f"MeasureReport {_OPEN}"),), ("HQUALIMP", "PUBHLTH"), (OPENID, FHIR_USER, ONLINE), needs_totp=True),
    "auditor": Role("审计员", "user", _STAFF, (("rs", f"AuditEvent Provenance {_DIRECTORY}"),), ("HCOMPL",), (OPENID, FHIR_USER, ONLINE), needs_totp=True),
    "elder": Role("老人", "patient", ("Patient",), (("rs", _OWN), ("c", "Communication Consent Observation QuestionnaireResponse")), ("PATRQT",)),
    "family-proxy": Role("家属代理", "patient", ("RelatedPerson",), (("rs", _OWN), ("c", "Communication Consent QuestionnaireResponse")), ("FAMRQT", "PWATRNY")),
    "device": Role("设备", "system", _SYSTEM, (("c", "Observation DetectedIssue Communication"), ("r", "Device"), ("rs", "Patient")), ("TREAT",), ()),
    "external-system": Role("外部系统", "system", _SYSTEM, (("cruds", "*"),), ("TREAT", "ETREAT", "HPAYMT", "HOPERAT"), ()),
}
# fmt: on


@cache
def scopes_of(role: str) -> Scopes:
    """Return all that a role may ask for."""
    known = ROLES[role]
    texts = [f"{known.context}/{name}.{letters}" for letters, types in known.scopes for name in types.split()]
    return Scopes(parse_scopes(" ".join(texts)), known.rights)


def granted(asked: Scopes, roles: Iterable[str], *held: Scopes) -> Scopes:
    """Return what one of the roles gives of what is asked for, as far as the client holds it too."""
    known = [grant(asked, scopes_of(role), *held) for role in roles]
    fhir = " ".join(scope.text for one in known for scope in one.fhir)
    rights = " ".join(right for one in known for right in one.rights)
    return read_scopes(f"{rights} {_joined(fhir)}")


def purposes_of(roles: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """Return the purposes that one of the roles has and the client is allowed, the role's first one first."""
    held = frozenset(allowed)
    return tuple(dict.fromkeys(code for role in roles for code in ROLES[role].purposes if code in held))


def _joined(text: str) -> str:
    """One scope per context and type, with the letters of all: user/Task.rs user/Task.u → user/Task.rus."""
    letters: dict[tuple[str, str, str], set[str]] = {}
    for scope in parse_scopes(text):
        limit = scope.text.partition("?")[2]
        letters.setdefault((scope.context, scope.type, limit), set()).update(scope.letters)
    return " ".join(
        f"{context}/{name}.{''.join(letter for letter in 'cruds' if letter in held)}{'?' + limit if limit else ''}"
        for (context, name, limit), held in letters.items()
    )
