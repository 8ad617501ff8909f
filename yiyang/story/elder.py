"""An elder who is nobody, as her nursing home registers her: http://hl7.org/fhir/R4/patient.html"""

import secrets
from datetime import date, timedelta
from typing import Final, NamedTuple

from services.kit.identifiers import id_number
from yiyang.story import terms
from yiyang.story.elements import Calendar, Json, coding, concept, identifier, reference
from yiyang.story.institutions import HOME, Institution, address
from yiyang.story.terms import local, meta

UNASSIGNED: Final = "999000"  # a division that does not exist, so a number that is nobody's


class Elder(NamedTuple):
    """The facts by which a person is registered."""

    name: str
    birth: date
    id_number: str
    record_number: str


class Residency(NamedTuple):
    """The fullUrls of what belongs to the registration, for the other entries of its transaction."""

    patient: str
    stay: str
    hypertension: str


def made_up_elder() -> Elder:
    """Another woman of 80 to 89 at each call, so that the story can be played again on the same server."""
    birth = date.today() - timedelta(days=365 * 80 + secrets.randbelow(3650))  # noqa: DTZ011 - a birth date has no zone
    sequence = 2 * (1 + secrets.randbelow(499))  # even: a woman
    number = id_number(UNASSIGNED, birth, sequence)
    return Elder("王秀英", birth, number, f"{UNASSIGNED}001001{secrets.randbelow(10**5):05d}")


def patient(elder: Elder) -> Json:
    card = coding(f"{terms.HL7}/v2-0203", "NI", "National unique individual identifier")
    gender = {
        "url": f"{terms.CANONICAL}/StructureDefinition/gender-gb2261",
        "valueCoding": coding("urn:oid:2.16.156.10011.2.3.3.4", "2", "女性"),
    }
    return {
        "resourceType": "Patient",
        "meta": meta("yiyang-patient", HOME.id),
        "identifier": [
            {"use": "official", "type": concept(card, text="居民身份证")} | identifier(terms.ID_CARD, elder.id_number),
            {"type": concept(text="居民健康档案号")} | identifier(terms.HEALTH_RECORD, elder.record_number),
        ],
        "active": True,
        "name": [{"use": "official", "text": elder.name, "family": elder.name[0], "given": [elder.name[1:]]}],
        "gender": "female",
        "_gender": {"extension": [gender]},
        "birthDate": elder.birth.isoformat(),
        "address": [address(*HOME.district, HOME.street) | {"use": "home"}],
        "managingOrganization": HOME.reference,
    }


def related_person(patient_url: str, home: Institution) -> Json:
    daughter = coding(f"{terms.HL7}/v3-RoleCode", "DAUC", "daughter")
    return {
        "resourceType": "RelatedPerson",
        "meta": meta("yiyang-related-person", home.id),
        "active": True,
        "patient": reference(patient_url),
        "relationship": [concept(coding("urn:oid:2.16.156.10011.2.3.3.8", "3", "女"), daughter)],
        "name": [{"text": "赵红"}],
        "telecom": [{"system": "phone", "value": "0473-0000009"}],
    }


def episode(patient_url: str, calendar: Calendar) -> Json:
    """Her residency, 全托."""
    return {
        "resourceType": "EpisodeOfCare",
        "meta": meta("yiyang-residency", HOME.id),
        "status": "active",
        "type": [concept(local("service-mode", "full-time", "全托"))],
        "patient": reference(patient_url),
        "managingOrganization": HOME.reference,
        "period": {"start": calendar.at(200, 9)},
        "careManager": HOME.member("nurse"),
    }


def stay(residency: Residency, episode_url: str, calendar: Calendar) -> Json:
    return {
        "resourceType": "Encounter",
        "meta": meta("yiyang-encounter", HOME.id),
        "status": "in-progress",
        "class": coding(terms.ACT, "HH", "home health"),
        "type": [concept(local("visit-type", "residency", "入住照护"))],
        "subject": reference(residency.patient),
        "episodeOfCare": [reference(episode_url)],
        "period": {"start": calendar.at(200, 9)},
        "serviceProvider": HOME.reference,
    }


def hypertension(patient_url: str) -> Json:
    return condition(patient_url, HOME, ("I10.x00", "高血压", "I10"), HOME.member("nurse")) | {"onsetDateTime": "2010"}


def condition(patient_url: str, institution: Institution, disease: tuple[str, str, str], asserter: Json) -> Json:
    """A diagnosis: the Chinese code, its name, the international one."""
    national, name, international = disease
    return {
        "resourceType": "Condition",
        "meta": meta("yiyang-condition", institution.id),
        "clinicalStatus": concept(coding(terms.CLINICAL, "active", "Active")),
        "verificationStatus": concept(coding(f"{terms.HL7}/condition-ver-status", "confirmed", "Confirmed")),
        "category": [concept(coding(f"{terms.HL7}/condition-category", "problem-list-item", "Problem List Item"))],
        "code": concept(
            coding(terms.ICD10, national, name),
            coding("http://hl7.org/fhir/sid/icd-10", international, name),
            text=name,
        ),
        "subject": reference(patient_url),
        "asserter": asserter,
    }


def allergy(patient_url: str) -> Json:
    return {
        "resourceType": "AllergyIntolerance",
        "meta": meta("yiyang-allergy", HOME.id),
        "clinicalStatus": concept(coding(f"{terms.HL7}/allergyintolerance-clinical", "active", "Active")),
        "verificationStatus": concept(coding(f"{terms.HL7}/allergyintolerance-verification", "confirmed", "Confirmed")),
        "type": "allergy",
        "category": ["medication"],
        "criticality": "high",
        "code": concept(text="青霉素"),
        "patient": reference(patient_url),
        "reaction": [{"manifestation": [concept(text="皮疹")], "severity": "moderate"}],
    }


def medication(patient_url: str, institution: Institution, name: str, dosage: str, status: str = "active") -> Json:
    return {
        "resourceType": "MedicationStatement",
        "meta": meta("yiyang-medication-statement", institution.id),
        "status": status,
        "medicationCodeableConcept": concept(text=name),
        "subject": reference(patient_url),
        "informationSource": institution.reference,
        "dosage": [{"text": dosage}],
    }
