"""What the care service decides on what is written of its governed types, each by the rules of its own room (docs/adr/0025)."""

from collections import ChainMap
from collections.abc import Mapping, Sequence

from services.care.alerts.acting import Looking, escalated
from services.care.alerts.business import Alerting
from services.care.alerts.course import is_alert
from services.care.assessments.business import signed_in_turn
from services.care.assessments.grading import Instruments
from services.care.plans import business as plans
from services.care.quality import outbreaks
from services.care.quality.events import check_events
from services.care.quality.surveys import check_survey
from services.care.residencies import decide_episode
from services.fhir.business import (
    Business,
    Change,
    Context,
    Decision,
    Guarded,
    Intent,
    Json,
    OnTimer,
    RefusedChange,
    Timer,
)
from services.fhir.outcomes import FhirError


def governing(
    assessing: Business, alerting: Alerting, instruments: Instruments, surveys: Mapping[str, Json]
) -> Business:
    async def decide(changes: Sequence[Change], others: Mapping[str, Json], context: Context) -> Decision:
        decisions = [await assessing(changes, others, context)]
        for place, change in enumerate(changes):
            try:
                if change.type == "QuestionnaireResponse":
                    check_survey(change, surveys)
                    await check_events(change, instruments, context)
                elif change.type == "CarePlan":
                    decisions.append(await plans.decide(change, _beside(place, changes, others), context))
                elif change.type == "DetectedIssue" and any(map(outbreaks.is_outbreak, (change.before, change.after))):
                    decisions.append(await outbreaks.decide(change, context))
                elif change.type == "EpisodeOfCare":
                    decisions.append(await decide_episode(place, change, _beside(place, changes, others), context))
                elif change.type == "DetectedIssue" and (is_alert(change.before) or is_alert(change.after)):
                    decisions.append(await alerting.decide(place, change, context))
            except FhirError as error:
                raise RefusedChange(error, place) from error
        return joined(decisions)

    return decide


def guarding(instruments: Instruments) -> Guarded:
    """What several write in turn is changed under If-Match only."""
    signed = signed_in_turn(instruments)
    return lambda kind, there: plans.is_guarded(there) if kind == "CarePlan" else signed(kind, there)


def _beside(place: int, changes: Sequence[Change], others: Mapping[str, Json]) -> Mapping[str, Json]:
    """What the same commit writes beside one change."""
    own = {f"{each.type}/{each.id}": each.after for n, each in enumerate(changes) if n != place and each.after}
    return ChainMap(own, dict(others)) if own else others


def joined(decisions: Sequence[Decision]) -> Decision:
    """One commit of several."""
    if len(decisions) == 1:
        return decisions[0]
    return Decision(
        bodies={place: body for each in decisions for place, body in each.bodies.items()},
        also=tuple(intent for each in decisions for intent in each.also),
        rests_on=tuple(rest for each in decisions for rest in each.rests_on),
        takes=tuple(hold for each in decisions for hold in each.takes),
        frees=tuple(holder for each in decisions for holder in each.frees),
        timers={holder: timers for each in decisions for holder, timers in each.timers.items()},
    )


def at_their_time(alerting: Alerting) -> OnTimer:
    """What the clock does when a timer of care is due."""

    async def on_timer(holder: str, act: str, context: Context) -> Sequence[Intent | Timer]:
        kind, *names = act.split(" ")
        if kind == "review":
            return await plans.overdue(holder, context)
        if kind == outbreaks.ACT:
            return await outbreaks.look(holder, names[0], context)
        return await _of_alerts(alerting, holder, kind, names, context)

    return on_timer


async def _of_alerts(
    alerting: Alerting, holder: str, kind: str, names: Sequence[str], context: Context
) -> Sequence[Intent | Timer]:
    if kind == "escalate":
        return await escalated(holder, context)
    looking = Looking(alerting.rules, holder, context)
    match kind:
        case "look":
            return await looking.look()
        case "watch":
            return await looking.watch()
        case "event":
            return await looking.event(names[0], names[1] if len(names) > 1 else "")
    return ()
