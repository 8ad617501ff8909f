"""The home's active care plan after a downward referral: http://hl7.org/fhir/R4/careplan.html"""

from collections.abc import Sequence
from typing import Final

from yiyang.story.elements import Calendar, Json, concept, create, quantity, reference, urn
from yiyang.story.institutions import CLINIC, HOME
from yiyang.story.month import ability
from yiyang.story.terms import local, loinc, meta

ACTIVITIES: Final = (
    ("weighing", "每日晨起称体重、测血压并记录", "nurse"),
    ("diet", "低盐饮食（每日食盐少于 5 g），协助进食", "caregiver"),
    ("rehabilitation", "床边康复训练，每周三次，每次二十分钟", "caregiver"),
)


def care_plan(patient: str, order: str, condition: str, calendar: Calendar) -> list[Json]:
    """The entries: her ability assessed anew, team, goal, and the plan, which comes first."""
    plan, goal, team = urn(), urn(), urn()
    return [
        create(_plan(patient, order, condition, (goal, team), calendar), plan),
        create(_goal(patient, condition, calendar), goal),
        create(_team(patient), team),
        create(ability(patient, HOME, ("2", "中度失能"), calendar.ago(0))),
    ]


def _plan(patient: str, order: str, condition: str, parts: tuple[str, str], calendar: Calendar) -> Json:
    goal, team = parts
    return {
        "resourceType": "CarePlan",
        "meta": meta("yiyang-care-plan", HOME.id),
        "status": "active",
        "intent": "plan",
        "category": [concept(local("care-plan-category", "nursing", "护理"))],
        "title": "心力衰竭出院后照护计划",
        "subject": reference(patient),
        "period": {"start": calendar.at(0), "end": calendar.at(-90)},
        "created": calendar.ago(0),
        "author": HOME.member("nurse"),
        "careTeam": [reference(team)],
        "addresses": [reference(condition)],
        "supportingInfo": [reference(order)],
        "goal": [reference(goal)],
        "activity": [_activity(*activity) for activity in ACTIVITIES],
    }


def _activity(code: str, description: str, role: str) -> Json:
    return {
        "detail": {
            "code": concept(local("care-item", code, description.partition("，")[0])),
            "status": "in-progress",
            "performer": [HOME.member(role)],
            "description": description,
        }
    }


def _goal(patient: str, condition: str, calendar: Calendar) -> Json:
    return {
        "resourceType": "Goal",
        "meta": meta("yiyang-goal", HOME.id),
        "lifecycleStatus": "active",
        "description": concept(text="三个月内不因心力衰竭再住院，血压低于 140/90 mmHg"),
        "subject": reference(patient),
        "startDate": calendar.day(0),
        "target": [
            {
                "measure": concept(loinc("8480-6", "收缩压")),
                "detailQuantity": quantity(140, "mmHg", "mm[Hg]") | {"comparator": "<"},
                "dueDate": calendar.day(-90),
            }
        ],
        "addresses": [reference(condition)],
    }


def _team(patient: str) -> Json:
    members = [HOME.member("nurse"), HOME.member("caregiver"), CLINIC.member("physician")]
    return {
        "resourceType": "CareTeam",
        "meta": meta("yiyang-care-team", HOME.id),
        "status": "active",
        "name": "滨河养老院照护小组",
        "subject": reference(patient),
        "participant": [{"member": member} for member in members],
        "managingOrganization": [HOME.reference],
    }


def reconciled(patient: str, lines: Sequence[str], calendar: Calendar) -> Json:
    """Each line of medication with which she comes back, answered: http://hl7.org/fhir/R4/list.html"""
    flag = concept(local("medication-answer", "continue", "继续"))
    return {
        "resourceType": "List",
        "meta": meta("yiyang-list", HOME.id),
        "status": "current",
        "mode": "snapshot",
        "title": "入院用药核对",
        "subject": reference(patient),
        "date": calendar.ago(0),
        "source": HOME.member("nurse"),
        "entry": [{"flag": flag, "item": reference(line)} for line in lines],
    }
