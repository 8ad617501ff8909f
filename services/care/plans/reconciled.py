"""What two reconciled plans become: the plan that goes on, the answered list of medication, and who decided.

http://hl7.org/fhir/R4/careplan.html · http://hl7.org/fhir/R4/list.html · http://hl7.org/fhir/R4/provenance.html
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import msgspec

from services.care.plans.applying import PROFILE, For, review_of, with_review
from services.care.plans.lines import Line
from services.care.plans.reconciling import Compared, Decided
from services.fhir.elements import CANONICAL, reference
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

RECONCILIATION: Final = f"{CANONICAL}/StructureDefinition/reconciliation"
_ANSWER: Final = f"{CANONICAL}/CodeSystem/medication-answer"
_REVIEW_DAYS: Final = 30
_PERIOD_DAYS: Final = 90


class Plans(msgspec.Struct, frozen=True):
    """What is to be made one: the two plans, `home` with the version that is there, and all that they say."""

    discharge: Json
    home: Json | None
    version: int
    compared: list[Compared]


def plan_of(plans: Plans, decided: Sequence[Decided], who: For, name: str) -> Json:
    """The home's plan as it goes on: active, in place of the one before, resting on the referral and the hospital's plan."""
    home = plans.home or {}
    stays = [(each, line) for each in decided if (line := each.stays)]
    sources = [who.request, f"CarePlan/{plans.discharge['id']}"]
    addresses = {
        each["reference"]: each
        for plan in (home, plans.discharge)
        for each in plan.get("addresses", ())
        if "reference" in each
    }
    categories = {str(each): each for plan in (home, plans.discharge) for each in plan.get("category", ())}
    goals = [reference(line.place) for _, line in stays if line.kind == "goal"]
    plan = {
        "resourceType": "CarePlan",
        "id": name,
        "meta": {"profile": [PROFILE]},
        **({"instantiatesCanonical": home["instantiatesCanonical"]} if "instantiatesCanonical" in home else {}),
        **({"replaces": [reference(f"CarePlan/{home['id']}")]} if home else {}),
        "status": "active",
        "intent": "plan",
        "category": [*categories.values()] or [known_concept(f"{CANONICAL}/CodeSystem/care-plan-category", "nursing")],
        "title": home.get("title") or plans.discharge.get("title") or "照护计划",
        "subject": reference(who.subject),
        **({"encounter": reference(who.encounter)} if who.encounter else {}),
        "period": {"start": who.today.isoformat(), "end": (who.today + timedelta(days=_PERIOD_DAYS)).isoformat()},
        "created": who.today.isoformat(),
        "author": reference(who.author),
        **({"careTeam": home["careTeam"]} if "careTeam" in home else {}),
        **({"addresses": [*addresses.values()]} if addresses else {}),
        "supportingInfo": [reference(each) for each in sources if each],
        **({"goal": goals} if goals else {}),
        "activity": [_activity(each, line) for each, line in stays if line.kind == "activity"],
    }
    return with_review(
        plan if plan["activity"] else {n: v for n, v in plan.items() if n != "activity"}, _review(home, who.today)
    )


def _review(home: Json, today: date) -> str:
    """The home's day, where it has not gone by."""
    soonest = (today + timedelta(days=_REVIEW_DAYS)).isoformat()
    own = review_of(home)
    return own if today.isoformat() <= own < soonest else soonest


def _activity(each: Decided, line: Line) -> Json:
    """As it stood, with how it was decided; what came from the hospital is the home's to begin."""
    others = [e for e in line.body.get("extension", ()) if e.get("url") != RECONCILIATION]
    parts = [
        {"url": "line", "valueString": each.compared.id},
        {"url": "verdict", "valueCode": each.compared.verdict},
        {"url": "answer", "valueCode": each.answer},
        *([{"url": "note", "valueString": each.note}] if each.note else []),
    ]
    made = line.body | {"extension": [*others, {"url": RECONCILIATION, "extension": parts}]}
    if "detail" in made and line is each.compared.hospital:
        made["detail"] = {n: v for n, v in made["detail"].items() if n not in ("performer", "goal")} | {
            "status": "not-started"
        }
    return made


def list_of(decided: Sequence[Decided], who: For, now: str, name: str) -> Json:
    """Each line of medication, the hospital's and the home's, with its answer."""
    answered = {
        line.place: each
        for each in decided
        if each.compared.kind == "medication"
        for line in (each.compared.hospital, each.compared.home)
        if line is not None
    }
    entries = [
        {
            "flag": known_concept(_ANSWER, each.answer) | ({"text": each.note} if each.note else {}),
            "item": reference(place),
        }
        for place, each in answered.items()
    ]
    return {
        "resourceType": "List",
        "id": name,
        "status": "current",
        "mode": "snapshot",
        "title": "出院用药核对 · Reconciled medication",
        "code": {"coding": [{"system": "http://loinc.org", "code": "10160-0"}], "text": "用药核对清单"},
        "subject": reference(who.subject),
        "date": now,
        **({"source": reference(who.practitioner)} if who.practitioner else {}),
        **({"entry": entries} if entries else {}),
    } | (
        {}
        if entries
        else {
            "emptyReason": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "nilknown"}]
            }
        }
    )


def provenance_of(plans: Plans, plan: Json, listed: Json, who: For, now: str, name: str) -> Json:
    """Who decided, and of which two plans: http://hl7.org/fhir/R4/provenance.html"""
    sources = [plans.discharge, *([plans.home] if plans.home else [])]
    agent = {"who": reference(who.author)} | ({"onBehalfOf": reference(who.organization)} if who.practitioner else {})
    return {
        "resourceType": "Provenance",
        "id": name,
        "target": [reference(f"CarePlan/{plan['id']}"), reference(f"List/{listed['id']}")],
        "recorded": now,
        "activity": {"text": "核对出院计划与照护计划 · Reconciled"},
        "agent": [agent],
        "entity": [{"role": "source", "what": reference(f"CarePlan/{each['id']}")} for each in sources],
    }
