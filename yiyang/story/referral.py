"""A referral: the order and the Task that carries its state, created together: docs/glossary.md, http://hl7.org/fhir/R4/task.html"""

from datetime import datetime
from typing import Final, NamedTuple

from services.kit.identifiers import referral_number
from yiyang.story import terms
from yiyang.story.elements import Json, coding, concept, create, identifier, reference, urn
from yiyang.story.institutions import Institution
from yiyang.story.terms import STATES, local, meta

SUPPORT: Final = local("referral-input", "package", "转诊资料包")
CONSENT: Final = local("referral-input", "consent", "授权同意书")


class Referral(NamedTuple):
    """What one referral says, in one direction. References are relative URLs or fullUrls of the same transaction."""

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
    deadline: str
    based_on: str | None = None


def numbered(placer: Institution, when: datetime) -> str:
    """A 转诊编号; the seconds of the day stand for the counter of a real system."""
    return referral_number(placer.short, when.date(), when.hour * 3600 + when.minute * 60 + when.second)


def service_request(referral: Referral, support: list[str]) -> Json:
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
        "priority": "urgent" if referral.direction == terms.UP else "routine",
        "code": concept(text=referral.service),
        "subject": reference(referral.patient),
        "encounter": reference(referral.encounter),
        "authoredOn": referral.authored,
        "requester": referral.placer.member("physician"),
        "performer": [referral.fulfiller.reference],
        "reasonCode": [concept(text=referral.reason)],
        "reasonReference": [reference(referral.condition)],
        "supportingInfo": [reference(one) for one in support],
    }
    return made | ({"basedOn": [reference(referral.based_on)]} if referral.based_on else {})


def task(referral: Referral, focus: str, inputs: list[tuple[Json, str]]) -> Json:
    """The Task in state submitted: from here on the fulfiller writes it."""
    status, display = STATES["submitted"]
    return {
        "resourceType": "Task",
        "meta": meta("yiyang-referral-task", referral.placer.id),
        "status": status,
        "businessStatus": concept(local("referral-business-status", "submitted", display)),
        "intent": "order",
        "priority": "urgent" if referral.direction == terms.UP else "routine",
        "code": concept(local("task-code", "referral", "双向转诊")),
        "focus": reference(focus),
        "for": reference(referral.patient),
        "authoredOn": referral.authored,
        "lastModified": referral.authored,
        "requester": referral.placer.reference,
        "owner": referral.fulfiller.reference,
        "restriction": {"period": {"end": referral.deadline}},
        "input": [{"type": concept(kind), "valueReference": reference(target)} for kind, target in inputs],
    }


def moved(current: Json, state: str, when: str, *outputs: tuple[str, str]) -> Json:
    """The Task in its next state; what it has put out so far stays."""
    status, display = STATES[state]
    made = [{"type": concept(text=kind), "valueReference": reference(target)} for kind, target in outputs]
    changed = current | {
        "status": status,
        "businessStatus": concept(local("referral-business-status", state, display)),
        "lastModified": when,
    }
    return changed | ({"output": [*current.get("output", ()), *made]} if made else {})


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


def submission(referral: Referral, package: Json, index: Json, agreed: Json | None = None) -> list[Json]:
    """The entries that create a referral with its package; `index` refers to the package by its fullUrl."""
    package_url, consent_url, order = index["content"][0]["attachment"]["url"], urn(), urn()
    support = [(SUPPORT, package_url)] + ([(CONSENT, consent_url)] if agreed else [])
    return [
        *([create(agreed, consent_url)] if agreed else []),
        create(package, package_url),
        create(index),
        create(service_request(referral, [target for _, target in support]), order),
        create(task(referral, order, support)),
    ]
