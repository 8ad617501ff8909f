"""A referral as `$refer` takes it: the order, its package and the elder's consent: docs/referral-workflow.md"""

from datetime import datetime
from typing import Any, NamedTuple

from services.kit.identifiers import referral_number
from yiyang.story import terms
from yiyang.story.elements import Json, coding, concept, identifier, reference
from yiyang.story.institutions import Institution
from yiyang.story.terms import local, meta


class Referral(NamedTuple):
    """What one referral says, in one direction; references are relative URLs."""

    direction: tuple[str, str]
    placer: Institution
    fulfiller: Institution
    patient: str
    encounter: str
    condition: str
    service: str
    reason: str
    number: str
    chain: str
    authored: str
    priority: str = "urgent"
    based_on: str | None = None


def numbered(placer: Institution, when: datetime) -> str:
    """A 转诊编号; the seconds of the day stand for the counter of a real system."""
    return referral_number(placer.short, when.date(), when.hour * 3600 + when.minute * 60 + when.second)


def service_request(referral: Referral) -> Json:
    made = {
        "resourceType": "ServiceRequest",
        "meta": meta("yiyang-referral-request", referral.placer.id),
        "identifier": [identifier(terms.REFERRAL_NUMBER, referral.number)],
        "requisition": identifier(terms.REFERRAL_CHAIN, referral.chain),
        "status": "active",
        "intent": "order",
        "category": [
            concept(local("service-category", "referral", "双向转诊")),
            concept(local("referral-direction", *referral.direction)),
        ],
        "priority": referral.priority,
        "code": concept(text=referral.service),
        "subject": reference(referral.patient),
        "encounter": reference(referral.encounter),
        "authoredOn": referral.authored,
        "requester": referral.placer.member("physician"),
        "performer": [referral.fulfiller.reference],
        "reasonCode": [concept(text=referral.reason)],
        "reasonReference": [reference(referral.condition)],
    }
    return made | ({"basedOn": [reference(referral.based_on)]} if referral.based_on else {})


def consent(patient: str, recipient: Institution, writer: Institution, start: str, end: str) -> Json:
    """Her separate consent (PIPL Art. 23, 29): it names the recipient, the purpose and the period."""
    return {
        "resourceType": "Consent",
        "meta": meta("yiyang-consent", writer.id),
        "status": "active",
        "scope": concept(coding(f"{terms.HL7}/consentscope", "patient-privacy", "Privacy Consent")),
        "category": [concept(local("consent-category", "referral", "转诊单独同意"))],
        "patient": reference(patient),
        "dateTime": start,
        "organization": [writer.reference],
        "policyRule": concept(text="中华人民共和国个人信息保护法 第二十三条、第二十九条"),
        "provision": agreement(permission(recipient, start, end)),
    }


def agreement(rule: Json) -> Json:
    """The root says what the paper is about, and the rule inside it is what counts."""
    return {name: value for name, value in rule.items() if name != "type"} | {"provision": [rule]}


def permission(recipient: Institution, start: str, end: str) -> Json:
    """A rule of a consent: only nested provisions are rules, http://hl7.org/fhir/R4/consent-definitions.html#Consent.provision"""
    role = concept(coding(f"{terms.HL7}/v3-ParticipationType", "IRCP", "information recipient"))
    return {
        "type": "permit",
        "period": {"start": start, "end": end},
        "actor": [{"role": role, "reference": recipient.reference}],
        "purpose": [coding(f"{terms.HL7}/v3-ActReason", "TREAT", "treatment")],
    }


def submission(referral: Referral, package: Json, agreed: Json) -> tuple[Json, ...]:
    """The parameters of `$refer`: the request, its package and her consent."""
    return (
        {"name": "request", "resource": service_request(referral)},
        {"name": "package", "resource": package},
        {"name": "consent", "resource": agreed},
    )


def value(name: str, **given: Any) -> Json:
    """A parameter of an operation."""
    return {"name": name, **given}
