"""A plan of the library as the PlanDefinition that is published: http://hl7.org/fhir/R4/plandefinition.html"""

from typing import Any, Final

from services.care.plans.load import OURS, system_of
from services.care.plans.plan import ROLES, Act, Aim, Plan, Target, When
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

TYPE: Final = "http://terminology.hl7.org/CodeSystem/plan-definition-type"
_CONTEXT: Final = "http://terminology.hl7.org/CodeSystem/usage-context-type"
_UCUM: Final = "http://unitsofmeasure.org"
_LOINC: Final = "http://loinc.org"


def plan_definition(plan: Plan) -> Json:
    return {
        "resourceType": "PlanDefinition",
        "id": plan.name,
        "language": "zh-CN",
        "url": plan.url,
        "version": plan.version,
        "name": "".join(part.capitalize() for part in plan.name.split("-")),
        "title": f"{plan.zh} · {plan.en}",
        "type": {"coding": [{"system": TYPE, "code": "order-set", "display": "Order Set"}]},
        "status": "active",
        "experimental": False,
        "publisher": "医养 Yiyang",
        "description": plan.source,
        **({"useContext": [_context(plan, when) for when in plan.when]} if plan.when else {}),
        "topic": [known_concept(f"{OURS}care-plan-category", plan.category)],
        "goal": [_goal(aim) for aim in plan.aims],
        "action": [_action(act) for act in plan.acts],
    }


def timing(act: Act) -> Json:
    assert act.every is not None  # noqa: S101 - asked for by who has looked
    every = act.every
    return {"repeat": {"frequency": every.times, "period": every.period, "periodUnit": every.unit}}


def target(goal: Target) -> Json:
    measure = {"coding": [{"system": _LOINC, "code": goal.code}]}
    bounds = {
        name: {"value": bound, "system": _UCUM, "code": goal.unit, "unit": goal.unit}
        for name, bound in (("low", goal.at_least), ("high", goal.at_most))
        if bound is not None
    }
    return {"measure": measure, "detailRange": bounds}


def role(act: Act) -> Json:
    zh, en = ROLES[act.role]
    return {"text": f"{zh} · {en}"}


def _context(plan: Plan, when: When) -> Json:
    """What calls for it; of a prefix, as it stands: R4 has no words for it."""
    codings = [{"system": system_of(when), "code": each} for each in (*when.codes, *when.prefixes)]
    code = {"system": _CONTEXT, "code": "focus", "display": "Clinical Focus"}
    return {"code": code, "valueCodeableConcept": {"coding": codings, "text": plan.zh}}


def _goal(aim: Aim) -> Json:
    due = {"due": {"value": aim.days, "unit": "d", "system": _UCUM, "code": "d"}}
    return {
        "id": aim.id,
        "description": {"text": f"{aim.zh} · {aim.en}"},
        "target": [(target(aim.target) if aim.target else {}) | due],
    }


def _action(act: Act) -> Json:
    return {
        "id": act.code,
        "title": act.zh,
        "description": f"{act.zh} · {act.en}",
        "code": [{"coding": [{"system": f"{OURS}care-activity", "code": act.code, "display": act.zh}]}],
        **({"goalId": [*act.aims]} if act.aims else {}),
        **({"timingTiming": timing(act)} if act.every else {}),
        "participant": [{"type": "practitioner", "role": role(act)}],
        "type": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/action-type", "code": "create", "display": "Create"}
            ]
        },
    }
