"""A month of care at the home, pushed in one transaction: http://hl7.org/fhir/R4/http.html#transaction"""

from collections.abc import Iterator
from typing import Final

from yiyang.story import elder as person
from yiyang.story.elements import Calendar, Json, concept, create, quantity, reference, transaction, urn
from yiyang.story.institutions import HOME, Institution
from yiyang.story.terms import category, local, loinc, meta

DAYS: Final = 30
LAST_DAY: Final = 0  # days before today; what follows is the referral
CARE: Final = (
    ("bathing", "协助洗浴"),
    ("feeding", "协助进食"),
    ("turning", "翻身拍背"),
    ("walking", "协助行走训练"),
)
PULSE: Final = ("8867-4", "心率", "次/分", "/min")
TEMPERATURE: Final = ("8310-5", "体温", "℃", "Cel")
SATURATION: Final = ("59408-5", "血氧饱和度", "%", "%")
WEIGHT: Final = ("29463-7", "体重", "kg", "kg")

Measure = tuple[str, str, str, str]


def month(elder: person.Elder, calendar: Calendar) -> Json:
    """Registration, residency, what is known of her, and thirty days of vital signs and care."""
    residency = person.Residency(urn(), urn(), urn())
    episode = urn()
    patient = residency.patient
    registration = (
        create(person.patient(elder), patient),
        create(person.related_person(patient, HOME)),
        create(person.episode(patient, calendar), episode),
        create(person.stay(residency, episode, calendar), residency.stay),
        create(person.hypertension(patient), residency.hypertension),
        create(person.allergy(patient)),
        create(person.medication(patient, HOME, "苯磺酸氨氯地平片 5mg", "每日一次，每次一片")),
        create(ability(patient, HOME, ("2", "中度失能"), calendar.at(LAST_DAY + DAYS, 10))),
    )
    days = (create(entry) for day in range(LAST_DAY + DAYS, LAST_DAY, -1) for entry in _day(day, residency, calendar))
    return transaction(*registration, *days)


def vital(patient: str, institution: Institution, measure: Measure, value: float, when: str) -> Json:
    code, name, unit, ucum = measure
    return _observation(patient, institution, when) | {
        "category": [category("vital-signs", "Vital Signs")],
        "code": concept(loinc(code, name)),
        "valueQuantity": quantity(value, unit, ucum),
    }


def blood_pressure(patient: str, institution: Institution, systolic: int, diastolic: int, when: str) -> Json:
    parts = (("8480-6", "收缩压", systolic), ("8462-4", "舒张压", diastolic))
    return _observation(patient, institution, when) | {
        "category": [category("vital-signs", "Vital Signs")],
        "code": concept(loinc("85354-9", "血压")),
        "component": [
            {"code": concept(loinc(code, name)), "valueQuantity": quantity(value, "mmHg", "mm[Hg]")}
            for code, name, value in parts
        ],
    }


def ability(patient: str, institution: Institution, level: tuple[str, str], when: str) -> Json:
    """The level of the elder's ability, GB/T 42195-2022."""
    return _observation(patient, institution, when) | {
        "category": [category("survey", "Survey")],
        "code": concept(local("gbt42195", "final-level", "老年人能力最终等级")),
        "valueCodeableConcept": concept(local("gbt42195-level", *level)),
        "method": concept(text="GB/T 42195-2022"),
    }


def _observation(patient: str, institution: Institution, when: str) -> Json:
    return {
        "resourceType": "Observation",
        "meta": meta("yiyang-observation", institution.id),
        "status": "final",
        "subject": reference(patient),
        "effectiveDateTime": when,
        "performer": [institution.reference],
    }


def _day(days_ago: int, residency: person.Residency, calendar: Calendar) -> Iterator[Json]:
    """The values drift upwards: the reason for the visit that follows."""
    patient, drift = residency.patient, LAST_DAY + DAYS - days_ago
    morning = calendar.at(days_ago, 7, 30)
    yield blood_pressure(patient, HOME, 132 + drift // 2 + days_ago % 5, 78 + drift // 4, morning)
    yield vital(patient, HOME, PULSE, 70 + drift // 3 + days_ago % 4, morning)
    yield vital(patient, HOME, TEMPERATURE, round(36.2 + days_ago % 6 / 10, 1), morning)
    yield vital(patient, HOME, SATURATION, 97 - drift // 10, morning)
    if days_ago % 7 == 0:
        yield vital(patient, HOME, WEIGHT, round(56.5 + drift / 20, 1), morning)
    yield _care(days_ago, residency, calendar)


def _care(days_ago: int, residency: person.Residency, calendar: Calendar) -> Json:
    return {
        "resourceType": "Procedure",
        "meta": meta("yiyang-care-record", HOME.id),
        "status": "completed",
        "code": concept(local("care-item", *CARE[days_ago % len(CARE)])),
        "subject": reference(residency.patient),
        "encounter": reference(residency.stay),
        "performedPeriod": {"start": calendar.at(days_ago, 9), "end": calendar.at(days_ago, 9, 40)},
        "performer": [{"actor": HOME.member("caregiver"), "onBehalfOf": HOME.reference}],
        "reasonReference": [reference(residency.hypertension)],
    }
