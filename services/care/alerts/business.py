"""What the care service decides on every version of an alert: who may do what, what is written beside it, when somebody else is told.

The DetectedIssue, its Flag, its Task and the call are one commit (docs/adr/0025); one open alert for each rule and patient is a hold (docs/adr/0026).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from services.care.alerts import companions
from services.care.alerts.chain import Chain, Chains, chain_of
from services.care.alerts.codes import ALERT_OUTCOME
from services.care.alerts.course import Course, course_of, patient_of, rule_code_of, with_course
from services.care.alerts.workflow import ACTS, CLOSED, OPEN, Actor, act_of, check_outcome
from services.care.monitoring.rule import Event, Rule
from services.fhir.business import Change, Context, Decision, Hold, Intent, Timer, changed, laid_down
from services.fhir.clockwork import is_clock
from services.fhir.elements import reference
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

_TOLD: Final = frozenset({"acknowledge", "arrive", "resolve"})
_WRITTEN_BY_ACTS: Final = frozenset({"extension", "mitigation", "status", "meta", "text"})


class Alerting(msgspec.Struct, frozen=True):
    """The rules and chains of this service, by code."""

    rules: Mapping[str, Rule]
    chains: Chains

    async def decide(self, place: int, change: Change, context: Context) -> Decision:
        if change.after is None:
            raise _refused("An alert is not deleted", "预警不可删除")
        before, after = course_of(change.before), course_of(change.after)
        actor: Actor = "C" if is_clock(context.caller) else "P"
        if change.before is not None:
            _check_alone(change.before, change.after, actor)
        move = act_of(before, after, actor)
        course = _timed(move.act, before, after, context.at)
        if move.act == "resolve":
            check_outcome(course)
        issue = _written(change.after, change.before, move.act, course, context)
        if move.act == "raise":
            course = self._with_companions(issue, course, context)
            issue = with_course(issue, course)
        chain = self.chains.get(course.chain) or self.chains[issue["severity"]]
        return await self._decided(place, issue, course, chain, context)

    def _with_companions(self, issue: Json, course: Course, context: Context) -> Course:
        patient = companions.subject_of(issue)
        chain = chain_of(self.rules[rule_code_of(issue)], self.chains)
        return msgspec.structs.replace(
            course,
            chain=chain.code,
            task=f"Task/{context.new_id(patient)}",
            flag=f"Flag/{context.new_id(patient)}",
            call=f"Communication/{context.new_id(patient)}" if chain.priority == "stat" else "",
        )

    async def _decided(self, place: int, issue: Json, course: Course, chain: Chain, context: Context) -> Decision:
        holder, key = f"DetectedIssue/{issue['id']}", key_of(rule_code_of(issue), patient_of(issue))
        due = _due(course, chain, context.at)
        owner = await _owner(issue, course, chain, context)
        beside = [
            companions.flag(issue, course, context.zone),
            companions.task(issue, course, chain, owner, due, context.zone),
            *([companions.call(issue, course, owner, context.zone)] if course.call else []),
        ]
        is_last = course.step + 1 >= len(chain.steps)
        timers = () if due is None or is_last else (Timer("escalate", due),)
        is_held, until = self._held(issue, course, context.at)
        return Decision(
            bodies={place: issue},
            also=tuple([each for made in beside if (each := await _beside(made, context))]),
            takes=(Hold(key, holder, until=until),) if is_held else (),
            frees=() if is_held else (holder,),
            timers={holder: timers},
        )

    def _held(self, issue: Json, course: Course, at: datetime) -> tuple[bool, datetime | None]:
        """An open alert holds its place; one that was resolved while the readings were not back for a while longer."""
        rule = self.rules.get(rule_code_of(issue))
        if course.state in OPEN:
            return True, None
        if (
            course.state == "over"
            or course.back is not None
            or isinstance(rule, Event | None)
            or course.resolved is None
        ):
            return False, None
        until = course.resolved + timedelta(minutes=rule.rest)
        return until > at, until


def key_of(rule: str, patient: str) -> str:
    """The place of the one open alert; `patient` is `Patient/id`."""
    return f"alert:{rule}:{patient}"


def _timed(act: str, before: Course, after: Course, at: datetime) -> Course:
    """The server's own clock says when: what a client says of the course is its state and its outcome."""
    replace = msgspec.structs.replace
    match act:
        case "raise":
            return replace(after, raised=at)
        case "escalate" | "again" | "subside" | "end":
            return after
        case "acknowledge":
            return replace(before, state=after.state, acknowledged=at)
        case "arrive":
            return replace(before, state=after.state, acknowledged=before.acknowledged or at, arrived=at)
        case _:
            return replace(before, state=after.state, resolved=at, outcome=after.outcome)


def _due(course: Course, chain: Chain, at: datetime) -> datetime | None:
    """Until when whoever it is with now has to answer."""
    if course.state != "raised" or course.raised is None:
        return None
    elapsed = sum((step.time for step in chain.steps[: course.step + 1]), timedelta())
    return max(course.raised + elapsed, at)


def _written(after: Json, before: Json | None, act: str, course: Course, context: Context) -> Json:
    """As the server writes it: the course, the status that follows, and in `mitigation` who did what and when."""
    status = "cancelled" if course.outcome == "false-alarm" else "final" if course.state in CLOSED else "preliminary"
    issue = with_course(after, course) | {"status": status}
    done = [*(before or {}).get("mitigation", ())]
    if act in _TOLD:
        said = [each["action"].get("text", "") for each in after.get("mitigation", ())[len(done) :]]
        done.append(_mitigation(act, course, next(iter(said), ""), context))
    return issue | ({"mitigation": done} if done else {})


def _mitigation(act: str, course: Course, said: str, context: Context) -> Json:
    """With the words that the caller gave for it."""
    who = context.caller.practitioner
    action = known_concept(ALERT_OUTCOME, course.outcome) if act == "resolve" else {}
    return {
        "action": action | {"text": said or ACTS[act].zh},
        "date": context.at.astimezone(context.zone).isoformat(timespec="seconds"),
        **({"author": reference(f"Practitioner/{who.rpartition('/')[2]}")} if who else {}),
    }


def _check_alone(before: Json, after: Json, actor: Actor) -> None:
    names = (before.keys() | after.keys()) - _WRITTEN_BY_ACTS
    changed_ = sorted(name for name in names if before.get(name) != after.get(name))
    if changed_ and actor == "P":
        raise _refused(f"An act changes no {changed_[0]}", "接警、到场、处置不改变预警内容", f".{changed_[0]}")


async def _owner(issue: Json, course: Course, chain: Chain, context: Context) -> str:
    """The institution that has the patient in its care, above it the one that it is part of."""
    institution = await _institution(issue, context)
    step = chain.steps[course.step]
    if step.role != "county" or not institution:
        return institution
    found = await context.read(*institution.split("/", 1))
    above = found[0].get("partOf", {}).get("reference", "") if found else ""
    return companions.answered_by(step, institution, above if above.startswith("Organization/") else "")


async def _institution(issue: Json, context: Context) -> str:
    patient = patient_of(issue)
    episodes = await context.search("EpisodeOfCare", [("patient", patient), ("status", "active"), ("_sort", "-date")])
    person = await context.read("Patient", patient.partition("/")[2])
    found = [episode for episode, _ in episodes] + ([person[0]] if person else [])
    if named := companions.institution_named(found):
        return named
    for each in issue.get("implicated", ()):
        kind, _, name = each["reference"].partition("/")
        evidence = await context.read(kind, name)
        for performer in evidence[0].get("performer", []) if evidence and kind == "Observation" else ():
            if str(performer.get("reference", "")).startswith("Organization/"):
                return str(performer["reference"])
    return ""


async def _beside(made: Json, context: Context) -> Intent | None:
    """New with the alert, or again where it was deleted; later only where it says something else."""
    there = await context.read(made["resourceType"], made["id"])
    if there is None:
        return laid_down(made)
    body, version = there
    kept = {name: value for name, value in body.items() if name in ("meta", "text")}
    return None if body == kept | made else changed(kept | made, version)


def _refused(diagnostics: str, text: str, element: str = "") -> FhirError:
    return unprocessable(diagnostics, code="business-rule", text=text, expression=(f"DetectedIssue{element}",))
