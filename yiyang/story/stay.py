"""The hospital's stay, from admission to discharge: http://hl7.org/fhir/R4/encounter.html"""

from typing import Final

from yiyang.story import terms
from yiyang.story.elder import condition, medication
from yiyang.story.elements import Calendar, Json, coding, concept, create, quantity, reference, urn
from yiyang.story.institutions import HOME, HOSPITAL
from yiyang.story.terms import category, local, loinc, meta

COURSE: Final = "利尿、扩血管、控制血压治疗九天，胸闷消失，可平卧，血压 128/76 mmHg"
RESULTS: Final = "NT-proBNP 由 4200 降至 620 pg/mL；超声心动图：左室射血分数 45%"
PLAN: Final = "低盐饮食，每日称体重，两周后心内科复诊；康复训练每周三次，血压高于 160/100 或体重两日增 2 kg 时联系医院"


def return_home(patient: str, order: str, calendar: Calendar) -> Json:
    return {
        "resourceType": "Encounter",
        "meta": meta("yiyang-encounter", HOME.id),
        "status": "in-progress",
        "class": coding(terms.ACT, "HH", "home health"),
        "type": [concept(local("visit-type", "residency", "入住照护"))],
        "subject": reference(patient),
        "basedOn": [reference(order)],
        "period": {"start": calendar.ago(0)},
        "serviceProvider": HOME.reference,
    }


def discharged(encounter: Json, calendar: Calendar) -> Json:
    period = encounter["period"] | {"end": calendar.ago(0)}
    return encounter | {"status": "finished", "period": period}


def treatment(patient: str, encounter: str, calendar: Calendar) -> list[Json]:
    """The entries of what the hospital found and ordered."""
    laboratory = urn()
    return [
        create(
            condition(patient, HOSPITAL, ("I50.907", "慢性心力衰竭急性加重", "I50.9"), HOSPITAL.member("physician"))
            | {"encounter": reference(encounter)}
        ),
        create(_natriuretic_peptide(patient, encounter, calendar), laboratory),
        create(_report(patient, encounter, laboratory, calendar)),
        create(medication(patient, HOSPITAL, "呋塞米片 20mg", "每日一次，每次一片")),
        create(medication(patient, HOSPITAL, "沙库巴曲缬沙坦钠片 50mg", "每日两次，每次一片")),
        create(_proposal(patient, encounter, calendar)),
    ]


def _proposal(patient: str, encounter: str, calendar: Calendar) -> Json:
    """What the hospital proposes for the time after: the home makes its own plan of it."""
    return {
        "resourceType": "CarePlan",
        "meta": meta("yiyang-care-plan", HOSPITAL.id),
        "status": "draft",
        "intent": "proposal",
        "category": [concept(local("care-plan-category", "medical", "医疗"))],
        "title": "出院后治疗与康复建议",
        "subject": reference(patient),
        "encounter": reference(encounter),
        "author": HOSPITAL.member("physician"),
        "period": {"start": calendar.day(0), "end": calendar.day(-90)},
        "activity": [{"detail": {"kind": "ServiceRequest", "status": "scheduled", "description": PLAN}}],
    }


def _natriuretic_peptide(patient: str, encounter: str, calendar: Calendar) -> Json:
    return {
        "resourceType": "Observation",
        "meta": meta("yiyang-observation", HOSPITAL.id),
        "status": "final",
        "category": [category("laboratory", "Laboratory")],
        "code": concept(loinc("33762-6", "N末端B型钠尿肽原")),
        "subject": reference(patient),
        "encounter": reference(encounter),
        "effectiveDateTime": calendar.ago(10),
        "performer": [HOSPITAL.reference],
        "valueQuantity": quantity(4200, "pg/mL", "pg/mL"),
        "interpretation": [concept(coding(f"{terms.HL7}/v3-ObservationInterpretation", "H", "High"))],
    }


def _report(patient: str, encounter: str, result: str, calendar: Calendar) -> Json:
    return {
        "resourceType": "DiagnosticReport",
        "meta": meta("yiyang-diagnostic-report", HOSPITAL.id),
        "status": "final",
        "category": [concept(coding(f"{terms.HL7}/v2-0074", "LAB", "Laboratory"))],
        "code": concept(loinc("11502-2", "检验报告")),
        "subject": reference(patient),
        "encounter": reference(encounter),
        "effectiveDateTime": calendar.ago(10),
        "issued": calendar.ago(5),
        "performer": [HOSPITAL.reference],
        "result": [reference(result)],
        "conclusion": RESULTS,
    }
