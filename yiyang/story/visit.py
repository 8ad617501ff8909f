"""The family doctor's visit that ends in a referral: http://hl7.org/fhir/R4/encounter.html"""

from typing import Final

from yiyang.story import terms
from yiyang.story.elder import condition
from yiyang.story.elements import Calendar, Json, coding, concept, create, reference, transaction, urn
from yiyang.story.institutions import CLINIC
from yiyang.story.month import LAST_DAY, PULSE, SATURATION, TEMPERATURE, blood_pressure, vital
from yiyang.story.terms import local, meta

DAY: Final = LAST_DAY
REASON: Final = "近两周血压逐渐升高，伴活动后胸闷气促三天，夜间不能平卧；基层不能确诊，需上级医院检查"
COURSE: Final = "给予吸氧、含服硝酸甘油，症状部分缓解"


def visit(patient: str, calendar: Calendar) -> Json:
    """One transaction: the visit, what was measured, what the doctor thinks it is."""
    encounter, when = urn(), calendar.ago(45)
    impression = condition(patient, CLINIC, ("I50.900", "心力衰竭", "I50.9"), CLINIC.member("physician"))
    return transaction(
        create(_encounter(patient, calendar), encounter),
        create(impression | {"encounter": reference(encounter), "recordedDate": when}),
        create(blood_pressure(patient, CLINIC, 168, 96, when)),
        create(vital(patient, CLINIC, PULSE, 104, when)),
        create(vital(patient, CLINIC, TEMPERATURE, 36.8, when)),
        create(vital(patient, CLINIC, SATURATION, 91, when)),
    )


def _encounter(patient: str, calendar: Calendar) -> Json:
    return {
        "resourceType": "Encounter",
        "meta": meta("yiyang-encounter", CLINIC.id),
        "status": "finished",
        "class": coding(terms.ACT, "HH", "home health"),
        "type": [concept(local("visit-type", "home-visit", "上门巡诊"))],
        "subject": reference(patient),
        "participant": [{"individual": CLINIC.member("physician")}],
        "period": {"start": calendar.ago(60), "end": calendar.ago(30)},
        "serviceProvider": CLINIC.reference,
    }
