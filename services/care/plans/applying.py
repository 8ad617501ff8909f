"""From plans of the library to one CarePlan with its Goals and its CareTeam: http://hl7.org/fhir/R4/plandefinition-operation-apply.html"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import msgspec

from services.care.plans.findings import Chosen, Finding
from services.care.plans.load import OURS
from services.care.plans.plan import Act, Aim, Role
from services.care.plans.plan_definition import role, target, timing
from services.fhir.elements import CANONICAL, reference
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

PROFILE: Final = f"{CANONICAL}/StructureDefinition/yiyang-care-plan"
REVIEW: Final = f"{CANONICAL}/StructureDefinition/care-plan-review"


class For(msgspec.Struct, frozen=True):
    """Of whom and by whom: references; `today` is the day on which the plan begins."""

    subject: str
    organization: str
    today: date
    practitioner: str = ""
    encounter: str = ""
    request: str = ""

    @property
    def patient(self) -> str:
        return self.subject.partition("/")[2]

    @property
    def author(self) -> str:
        return self.practitioner or self.organization


class Made(msgspec.Struct, frozen=True):
    """The plan, and what it refers to by the ids that were given."""

    plan: Json
    goals: tuple[Json, ...]
    team: Json

    @property
    def resources(self) -> tuple[Json, ...]:
        return (self.plan, *self.goals, self.team)


def applied(chosen: Sequence[Chosen], who: For, ids: Iterator[str]) -> Made:
    """An activity, or a goal, that several plans have stands once; the soonest review counts."""
    goal_ids = {aim.id: next(ids) for each in chosen for aim in each.plan.aims}
    goals = {aim.id: _goal(aim, goal_ids[aim.id], each.because, who) for each in chosen for aim in each.plan.aims}
    team = _team([act.role for each in chosen for act in each.plan.acts], next(ids), who)
    acts = {act.code: act for each in chosen for act in each.plan.acts}
    plan = _plan(chosen, who) | {
        "careTeam": [reference(f"CareTeam/{team['id']}")],
        "goal": [reference(f"Goal/{each['id']}") for each in goals.values()],
        "activity": [_activity(act, goal_ids, who) for act in acts.values()],
        "id": next(ids),
    }
    return Made(plan, tuple(goals.values()), team)


def contained(made: Made) -> Json:
    """The plan as `$apply` answers it: nothing is stored, so its goals and its team lie in it."""
    names = {f"{each['resourceType']}/{each['id']}": f"#{each['id']}" for each in (*made.goals, made.team)}
    plan = {name: value for name, value in made.plan.items() if name != "id"}
    return {**_renamed(plan, names), "contained": [*made.goals, made.team]}


def review_of(plan: Json | None) -> str:
    """The day by which the plan is to be looked at again, empty where none is named."""
    extensions = (plan or {}).get("extension", ())
    return next((str(each.get("valueDate", "")) for each in extensions if each.get("url") == REVIEW), "")


def with_review(plan: Json, day: str) -> Json:
    others = [each for each in plan.get("extension", ()) if each.get("url") != REVIEW]
    return plan | {"extension": [*others, {"url": REVIEW, "valueDate": day}]}


def _plan(chosen: Sequence[Chosen], who: For) -> Json:
    first = chosen[0].plan
    ends = who.today + timedelta(days=max(each.plan.review_days for each in chosen))
    again = who.today + timedelta(days=min(each.plan.review_days for each in chosen))
    categories = dict.fromkeys(each.plan.category for each in chosen)
    sources = dict.fromkeys(f.source for each in chosen for f in each.because if f.source)
    conditions = [reference(each) for each in sources if each.startswith("Condition/")]
    others = [reference(each) for each in (who.request, *sources) if each and not each.startswith("Condition/")]
    return {
        "resourceType": "CarePlan",
        "meta": {"profile": [PROFILE]},
        "extension": [{"url": REVIEW, "valueDate": again.isoformat()}],
        "instantiatesCanonical": [each.plan.canonical for each in chosen],
        "status": "draft",
        "intent": "plan",
        "category": [known_concept(f"{OURS}care-plan-category", each) for each in categories],
        "title": first.zh if len(chosen) == 1 else f"综合照护计划：{'、'.join(each.plan.zh for each in chosen)}",
        "subject": reference(who.subject),
        **({"encounter": reference(who.encounter)} if who.encounter else {}),
        "period": {"start": who.today.isoformat(), "end": ends.isoformat()},
        "created": who.today.isoformat(),
        "author": reference(who.author),
        **({"addresses": conditions} if conditions else {}),
        **({"supportingInfo": others} if others else {}),
    }


def _goal(aim: Aim, name: str, because: Iterable[Finding], who: For) -> Json:
    due = {"dueDate": (who.today + timedelta(days=aim.days)).isoformat()}
    conditions = [reference(each.source) for each in because if each.source.startswith("Condition/")]
    return {
        "resourceType": "Goal",
        "id": name,
        "lifecycleStatus": "planned",
        "description": {"text": f"{aim.zh} · {aim.en}"},
        "subject": reference(who.subject),
        "startDate": who.today.isoformat(),
        "target": [(target(aim.target) if aim.target else {}) | due],
        **({"addresses": conditions} if conditions else {}),
    }


def _activity(act: Act, goal_ids: Mapping[str, str], who: For) -> Json:
    detail = {
        "kind": act.kind,
        "code": known_concept(f"{OURS}care-activity", act.code) | {"text": f"{act.zh} · {act.en}"},
        **({"goal": [reference(f"Goal/{goal_ids[each]}") for each in act.aims]} if act.aims else {}),
        "status": "not-started",
        **({"scheduledTiming": timing(act)} if act.every else {}),
        "performer": [reference(who.organization) | {"display": role(act)["text"]}],
        "description": act.zh,
    }
    return {"detail": detail}


def _team(roles: Iterable[Role], name: str, who: For) -> Json:
    """A place for each role that the activities need; who takes it is the institution's to say."""
    members = [
        {"role": [known_concept(f"{OURS}care-role", each)], "member": reference(who.organization)}
        for each in dict.fromkeys(roles)
    ]
    person = (
        [{"member": reference(who.practitioner), "onBehalfOf": reference(who.organization)}] if who.practitioner else []
    )
    return {
        "resourceType": "CareTeam",
        "id": name,
        "status": "proposed",
        "subject": reference(who.subject),
        "participant": [*person, *members],
        "managingOrganization": [reference(who.organization)],
    }


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(each, each) if key == "reference" else _renamed(each, names) for key, each in value.items()
        }
    return [_renamed(each, names) for each in value] if isinstance(value, list) else value
