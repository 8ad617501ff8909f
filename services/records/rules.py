"""What opens a basis among the resources of records: a visit, a consent, a consortium (docs/adr/0011)."""

from collections.abc import Mapping
from typing import Any, Final

from services.fhir.access.access import PROXY
from services.fhir.access.consent import CATEGORIES, denials_of, is_for_proxies, permissions_of, withdrawals_of
from services.fhir.access.grants import (
    Moment,
    Opening,
    Opens,
    Rule,
    Supervision,
    end_of,
    instant_of,
    organizations,
    patient_in,
)

Json = dict[str, Any]

AFFILIATION_TYPE: Final = "https://yiyang.example/fhir/CodeSystem/affiliation-type"
_AT_HAND: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})


def encounter(resource: Json, moment: Moment) -> Opens:
    """http://hl7.org/fhir/R4/valueset-encounter-status.html: who is only expected is nobody's patient yet."""
    patient, status = patient_in(resource.get("subject")), resource["status"]
    if patient is None or (status not in _AT_HAND and status != "finished"):
        return Opens()
    ends = end_of(resource.get("period"), moment, is_over=status == "finished")
    providers = organizations(resource.get("serviceProvider"))
    return Opens(tuple(Opening(patient, each, "encounter", moment.at, ends) for each in providers))


def consent(resource: Json, moment: Moment) -> Opens:
    """An active one permits and denies; one that is withdrawn denies what it permitted."""
    patient, status = patient_in(resource.get("patient")), resource["status"]
    if patient is None:
        return Opens()
    if status == "inactive":
        return Opens(denials=withdrawals_of(resource, patient, moment.at))
    if status != "active":
        return Opens()
    permitted = () if _is_for_a_referral(resource) else permissions_of(resource, patient)
    openings = tuple(
        Opening(
            patient=patient,
            organization=permission.organization,
            basis="consent",
            begins=permission.begins or moment.at,
            ends=permission.ends,
            types=permission.types,
            purposes=permission.purposes,
            founds=permission.types is None and not permission.organization.startswith(PROXY),
        )
        for permission in permitted
        if is_for_proxies(resource) or not permission.organization.startswith(PROXY)
    )
    return Opens(openings, denials_of(resource, patient))


def _is_for_a_referral(resource: Json) -> bool:
    """It lets the referral be sent; what its recipient sees, the state of the referral says."""
    codings = [coding for each in resource.get("category", ()) for coding in each.get("coding", ())]
    return any((c.get("system"), c.get("code")) == (CATEGORIES, "referral") for c in codings)


def organization_affiliation(resource: Json, moment: Moment) -> Opens:
    """The supervision of a consortium's lead 医联体; it counts when the supervised institution has written it."""
    codes = {
        coding.get("code")
        for concept in resource.get("code", ())
        for coding in concept.get("coding", ())
        if coding.get("system") == AFFILIATION_TYPE
    }
    if "supervision" not in codes or resource.get("active") is False:
        return Opens()
    period = resource.get("period", {})
    begins, ends = instant_of(period.get("start")) or moment.at, instant_of(period.get("end"))
    leads, supervised = (organizations(resource.get(name)) for name in ("organization", "participatingOrganization"))
    return Opens(supervisions=tuple(Supervision(lead, each, begins, ends) for lead in leads for each in supervised))


OPENINGS: Final[Mapping[str, Rule]] = {
    "Encounter": encounter,
    "Consent": consent,
    "OrganizationAffiliation": organization_affiliation,
}
