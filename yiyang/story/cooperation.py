"""What lets the institutions refer to each other: a consortium 医联体 and two agreements 医养协议 (docs/referral-workflow.md)."""

from typing import Any, Final

from yiyang.story import terms
from yiyang.story.cast import Cast
from yiyang.story.elements import Calendar, Json, coding, concept, create, transaction, update
from yiyang.story.institutions import CLINIC, HOME, HOSPITAL, TCM_HOSPITAL, Institution
from yiyang.story.stage import Stage
from yiyang.story.terms import local, meta

SHORT: Final = ("accept", "asap")
"""The clock that the story shortens to one second, so that a referral can be seen to expire."""


async def agree(stage: Stage, cast: Cast, calendar: Calendar) -> None:
    stage.chapter("医联体与医养协议", "a consortium and two agreements")
    member = transaction(update(affiliation(HOSPITAL, CLINIC)))
    await cast.hospital.transact(member, "医院牵头医联体，社区为成员 · the hospital leads, the clinic is a member")
    home = _contract(HOME, HOSPITAL, calendar, _directions("up", "down"))
    await cast.home.transact(transaction(create(home)), "养老院与医院的医养协议 · agreement of home and hospital")
    quick = _contract(CLINIC, TCM_HOSPITAL, calendar, [_clock(*SHORT, value=1, unit="s")])
    await cast.clinic.transact(
        transaction(create(quick)), "社区与中医院的协议，加急时限缩短 · agreement with a shortened clock"
    )


def affiliation(lead: Institution, member: Institution) -> Json:
    return {
        "resourceType": "OrganizationAffiliation",
        "id": f"{lead.id}-{member.short.lower()}",
        "meta": meta("yiyang-affiliation", lead.id),
        "active": True,
        "organization": lead.reference,
        "participatingOrganization": member.reference,
        "code": [concept(local("affiliation-type", "consortium", "紧密型医联体"))],
    }


def _contract(one: Institution, other: Institution, calendar: Calendar, conditions: list[Json]) -> Json:
    parties = (one, other)
    return {
        "resourceType": "Contract",
        "meta": meta("yiyang-agreement", one.id),
        "status": "executed",
        "type": concept(local("contract-type", "cooperation", "医养协议合作")),
        "applies": {"start": calendar.day(30), "end": calendar.day(-335)},
        "subject": [each.reference for each in parties],
        "signer": [_signer(each, calendar) for each in parties],
        "term": conditions,
    }


def _signer(institution: Institution, calendar: Calendar) -> Json:
    kind = coding("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.1", "Author's Signature")
    signature = {"type": [kind], "when": calendar.ago(60 * 24 * 30), "who": institution.reference}
    role = coding(f"{terms.HL7}/contractsignertypecodes", "HPROV", "Healthcare Provider")
    return {"type": role, "party": institution.reference, "signature": [signature]}


def _directions(*directions: str) -> list[Json]:
    return [
        _term("direction", valueCoding=local("referral-direction", each, {"up": "上转", "down": "下转"}[each]))
        for each in directions
    ]


def _clock(act: str, priority: str, *, value: int, unit: str) -> Json:
    what = {
        "coding": [
            local("referral-act", act, "同意接收"),
            coding("http://hl7.org/fhir/request-priority", priority, priority),
        ]
    }
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return _term("clock", valueQuantity=quantity) | {"subType": what}


def _term(kind: str, **answer: Any) -> Json:
    return {"type": concept(local("contract-term", kind, kind)), "offer": {"answer": [answer]}}
