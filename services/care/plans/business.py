"""What the care service decides on a CarePlan: all that it names is of its own patient, and who is to look at it again, until when.

http://hl7.org/fhir/R4/careplan.html
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from services.care.alerts.codes import TASK_CODE
from services.care.plans.applying import PROFILE, review_of
from services.fhir.business import Change, Context, Decision, Intent, Timer, changed, created
from services.fhir.elements import CANONICAL, reference
from services.fhir.outcomes import FhirError, Issue, unprocessable
from services.fhir.search.parameters import patient_of
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

SID: Final = f"{CANONICAL}/sid/care-plan-review"
"""Of the Task and the Flag of a review, the value is the id of the plan."""
_NAMING: Final = (
    "goal", "careTeam", "basedOn", "replaces", "partOf", "addresses", "supportingInfo", "encounter",
)  # fmt: skip
_OVER: Final = {"completed": "completed", "revoked": "cancelled", "entered-in-error": "entered-in-error"}


def is_guarded(plan: Json) -> bool:
    """What claims the platform's profile has several authors: each names the version that it changes."""
    return PROFILE in plan.get("meta", {}).get("profile", ())


async def decide(change: Change, others: Mapping[str, Json], context: Context) -> Decision:
    before, after = change.before, change.after
    if after is not None:
        _check_review(after)
        await _check_one_patient(before, after, others, context)
    if not review_of(before) and not review_of(after):
        return Decision()
    ended = after is None or after.get("status") in _OVER
    day = "" if after is None or after.get("status") != "active" else review_of(after)
    also = (
        [] if before is None and not day else await _beside(change.id, after or before or {}, day, context, ended=ended)
    )
    holder = f"CarePlan/{change.id}"
    timers = (Timer("review", _after(day, context)),) if day else ()
    return Decision(also=tuple(also), timers={holder: timers})


async def overdue(holder: str, context: Context) -> Sequence[Intent]:
    """The day has gone by and nobody has looked at the plan again: it is flagged."""
    kind, _, name = holder.partition("/")
    found = await context.read(kind, name)
    if found is None or found[0].get("status") != "active" or not review_of(found[0]):
        return ()
    if _after(review_of(found[0]), context) > context.at or await _flags(name, context):
        return ()
    plan = found[0]
    flag = {
        "resourceType": "Flag",
        "id": context.new_id(_patient(plan, context)),
        "identifier": [{"system": SID, "value": name}],
        "status": "active",
        "code": known_concept(TASK_CODE, "care-plan-review")
        | {"text": "照护计划逾期未复核 · The review of the care plan is overdue"},
        "subject": plan["subject"],
        "period": {"start": context.at.astimezone(context.zone).isoformat(timespec="seconds")},
    }
    return (created(flag),)


def _check_review(plan: Json) -> None:
    """A month is no day, and the last day that a calendar knows has no tomorrow."""
    day = review_of(plan)
    try:
        is_day = not day or bool(date.fromisoformat(day) + timedelta(days=1))
    except (ValueError, OverflowError):
        is_day = False
    if not is_day:
        raise unprocessable(
            "care-plan-review is a day", code="value", text="复核日期须为具体日期", expression=("CarePlan.extension",)
        )


async def _check_one_patient(before: Json | None, after: Json, others: Mapping[str, Json], context: Context) -> None:
    """422 at each reference that leads to another patient, and for a plan that would become another's.

    What the caller does not see passes like what does not exist: the answer would tell of it.
    """
    if before is not None and before["subject"] != after["subject"]:
        raise _another("CarePlan.subject", "a plan stays its patient's", "照护计划不可改为另一位老人")
    known = {*_names(before)} if before else set()
    named = [(place, name) for place, name in _named(after) if name not in known]
    await context.fetch(sorted({name for _, name in named if name not in others}))
    own, faults = _patient(after, context), []
    for place, name in named:
        there = others.get(name) or await _there(name, context)
        whose = _patient(there, context) if there else None
        if own and whose and whose != own and (name in others or await _is_seen(name, context)):
            faults.append(
                Issue("error", "business-rule", f"{place} is of another patient", "该引用属于另一位老人", (place,))
            )
    if faults:
        raise FhirError(422, tuple(faults))


async def _is_seen(name: str, context: Context) -> bool:
    kind, _, resource_id = name.partition("/")
    return await context.seen(kind, resource_id) is not None


async def _there(name: str, context: Context) -> Json | None:
    kind, _, resource_id = name.partition("/")
    found = await context.read(kind, resource_id)
    return {**found[0], "id": resource_id} if found else None


def _patient(resource: Json, context: Context) -> str | None:
    return patient_of(resource["resourceType"])(resource, f"{context.base}/")


def _names(plan: Json) -> Iterator[str]:
    return (name for _, name in _named(plan))


def _named(plan: Json) -> Iterator[tuple[str, str]]:
    """Where it refers to what is some patient's: (element, `Type/id`)."""
    for element in _NAMING:
        given = plan.get(element, [])
        for n, each in enumerate(given if isinstance(given, list) else [given]):
            yield from _literal(f"CarePlan.{element}[{n}]" if isinstance(given, list) else f"CarePlan.{element}", each)
    for n, activity in enumerate(plan.get("activity", ())):
        yield from _literal(f"CarePlan.activity[{n}].reference", activity.get("reference", {}))


def _literal(place: str, given: Json) -> Iterator[tuple[str, str]]:
    name = str(given.get("reference", ""))
    if name.count("/") == 1 and not name.startswith(("#", "Patient/", "Organization/")):
        yield place, name


async def _beside(plan_id: str, plan: Json, day: str, context: Context, *, ended: bool) -> list[Intent]:
    """One Task for each plan, open until the plan has ended; the flag falls when the review has a new day."""
    open_ = await context.search("Task", [("identifier", f"{SID}|{plan_id}"), ("status", "requested")])
    until = {"period": {"end": day}}
    intents: list[Intent] = []
    for task, version in open_:
        if ended:
            intents.append(changed(task | {"status": _OVER.get(plan.get("status", ""), "cancelled")}, version))
        elif day and task.get("restriction") != until:
            intents.append(changed(task | {"restriction": until}, version))
    if day and not open_:
        intents.append(created(_task(plan_id, plan, until, context)))
    if ended or (day and _after(day, context) > context.at):
        intents += [changed(flag | {"status": "inactive"}, version) for flag, version in await _flags(plan_id, context)]
    return intents


async def _flags(plan_id: str, context: Context) -> list[tuple[Json, int]]:
    found = await context.search("Flag", [("identifier", f"{SID}|{plan_id}")])
    return [(flag, version) for flag, version in found if flag["status"] == "active"]


def _task(plan_id: str, plan: Json, until: Json, context: Context) -> Json:
    institution = reference(f"Organization/{context.caller.organization}")
    return {
        "resourceType": "Task",
        "id": context.new_id(_patient(plan, context)),
        "identifier": [{"system": SID, "value": plan_id}],
        "status": "requested",
        "intent": "plan",
        "code": known_concept(TASK_CODE, "care-plan-review"),
        "description": "复核照护计划 · Look at the care plan again",
        "focus": reference(f"CarePlan/{plan_id}"),
        "for": plan["subject"],
        "authoredOn": context.at.astimezone(context.zone).isoformat(timespec="seconds"),
        "requester": institution,
        "owner": institution,
        "restriction": until,
    }


def _after(day: str, context: Context) -> datetime:
    """When the day is over, in the zone of the house."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), context.zone)


def _another(element: str, diagnostics: str, text: str) -> FhirError:
    return unprocessable(diagnostics, code="business-rule", text=text, expression=(element,))
