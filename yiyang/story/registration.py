"""The way in for an institution that has never seen her: what it knows of her, and her signed consent (docs/adr/0011)."""

import base64

from yiyang.story import terms
from yiyang.story.elder import Elder
from yiyang.story.elements import Calendar, Json, coding, concept, identifier
from yiyang.story.institutions import CLINIC, Institution
from yiyang.story.referral import agreement, permission
from yiyang.story.stage import Player, Stage

LASTS_DAYS = 365


async def register(stage: Stage, clinic: Player, elder: Elder, patient: str, calendar: Calendar) -> None:
    """Before it nobody is there for the clinic; after it, whom the home cares for."""
    stage.chapter("社区凭身份证与单独同意登记老人", "the clinic registers her by her id card and her separate consent")
    await clinic.get(patient, "登记前读不到 · out of reach before", expect=404)
    wrong = statement(elder._replace(name="张三"), CLINIC, calendar)
    await clinic.post("Patient/$register", wrong, "姓名不符，如同查无此人 · a wrong name: nobody", expect=404)
    found = await clinic.post(
        "Patient/$register",
        statement(elder, CLINIC, calendar),
        "登记，证件体系用另一别名 · registers, under another alias of the id card",
        expect=200,
    )
    stage.check(f"Patient/{found['id']}" == patient, "同一人，同一档案 · one person, one record")


def statement(elder: Elder, institution: Institution, calendar: Calendar) -> Json:
    person = {
        "resourceType": "Patient",
        "identifier": [identifier(terms.ID_CARD_OF_HL7_CHINA, elder.id_number)],
        "name": [{"text": elder.name}],
        "birthDate": elder.birth.isoformat(),
    }
    parameters = [
        {"name": "patient", "resource": person},
        {"name": "consent", "resource": _signed(institution, calendar)},
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _signed(institution: Institution, calendar: Calendar) -> Json:
    """Her separate consent (PIPL Art. 23, 29), with the paper that she signed."""
    start, end = calendar.ago(120), calendar.at(-LASTS_DAYS)
    paper = base64.b64encode("单独同意书（演示）".encode()).decode()
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept(coding(f"{terms.HL7}/consentscope", "patient-privacy", "Privacy Consent")),
        "category": [concept(terms.local("consent-category", "separate-sensitive", "敏感个人信息单独同意"))],
        "dateTime": start,
        "organization": [institution.reference],
        "sourceAttachment": {"contentType": "text/plain", "data": paper, "title": "单独同意书"},
        "policyRule": concept(text="中华人民共和国个人信息保护法 第二十三条、第二十九条"),
        "provision": agreement(permission(institution, start, end)),
    }
