"""What follows from an Observation, or a call for help, when it was committed: which rules look at the patient's readings, which events there are.

Most readings change nothing, and cost no more than to be looked at here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from services.care.alerts.acting import LATE
from services.care.alerts.business import key_of
from services.care.alerts.codes import ALERT_RULE, SID
from services.care.monitoring.evaluate import after_quiet, in_unit, measures_of, unusable_for
from services.care.monitoring.readings import LOINC, counts, instant_of, readings_in
from services.care.monitoring.rule import Event, Missing, Reading, Rule, Threshold, Trend
from services.care.quality.outbreaks import signs_in
from services.fhir.business import Context, Heard, Hears, Wake
from services.fhir.elements import code_in
from services.fhir.subscriptions.topics import Topic, Trigger

Json = dict[str, Any]

UNUSABLE: Final = "reading-unusable"
CALLS: Final = ("sos", "fall")
HEARD: Final = Topic(
    "monitoring",
    "监测 · Monitoring",
    "读数与报警。Readings and calls for help.",
    (
        Trigger("Observation"),
        Trigger("Condition"),
        Trigger("Communication", f"category={','.join(f'{ALERT_RULE}|{each}' for each in CALLS)}"),
    ),
)
HISTORY: Final = timedelta(days=7)
"""What is older when it comes was taken in from elsewhere: a record, and no reading that is late."""
_AGAIN: Final = timedelta(minutes=10)
"""How long a process does not ask again that a patient is watched."""
_MOST_WATCHED: Final = 100_000


class _Observed(msgspec.Struct, frozen=True):
    """An Observation, with each reading in it and a rule that looks at such."""

    heard: Heard
    readings: tuple[tuple[Reading, Rule], ...]

    @property
    def body(self) -> Json:
        return self.heard.resource or {}


def hearing(rules: Mapping[str, Rule]) -> Hears:
    """What care makes of what it hears, by these rules."""
    by_code: dict[str, list[Rule]] = {}
    for rule in rules.values():
        for code in {code for measure in measures_of(rule) for code in measure.codes}:
            by_code.setdefault(code, []).append(rule)
    watched: dict[str, datetime] = {}

    async def hears(heard: Sequence[Heard], context: Context) -> Sequence[Wake]:
        observations = [
            _observed(each, by_code, context) for each in heard if each.type == "Observation" and each.patient
        ]
        open_ = await _open(observations, rules, context)
        devices = await _devices(observations, context)
        wakes = [wake for each in observations for wake in _looks(each, rules, open_, context)]
        wakes += [wake for each in observations for wake in _faults(each, rules, by_code, devices, context)]
        wakes += [wake for each in heard for wake in _calls(each)]
        wakes += signs_in(heard, context)
        return [*wakes, *_watches(observations, watched, context)]

    return hears


def _observed(heard: Heard, by_code: Mapping[str, list[Rule]], context: Context) -> _Observed:
    readings = readings_in(heard.resource, context.zone) if heard.resource else ()
    return _Observed(heard, tuple((each, rule) for each in readings for rule in by_code.get(each.code, ())))


def _looks(observed: _Observed, rules: Mapping[str, Rule], open_: set[str], context: Context) -> Iterator[Wake]:
    """A reading that may raise something, and any that may end what is open; a change of an older one may do either."""
    patient = f"Patient/{observed.heard.patient}"
    looked_at = {rule.code for reading, rule in observed.readings if _may_raise(rule, reading, context)}
    looked_at |= {code for code in _may_end(observed, rules) if key_of(code, patient) in open_}
    yield from (Wake(f"{patient} {code}", "look") for code in sorted(looked_at))


def _may_end(observed: _Observed, rules: Mapping[str, Rule]) -> Iterable[str]:
    if observed.heard.version > 1:
        return (rule.code for rule in rules.values() if not isinstance(rule, Event))
    return (rule.code for _, rule in observed.readings)


def _may_raise(rule: Rule, reading: Reading, context: Context) -> bool:
    if unusable_for(reading, rule, context.at) or reading.at < context.at - LATE:
        return False
    match rule:
        case Threshold():
            return any(
                reading.code in bound.codes and bound.is_breached(in_unit(reading, bound.unit)) for bound in rule.bounds
            )
        case Trend():
            return True
    return False


def _faults(
    observed: _Observed,
    rules: Mapping[str, Rule],
    by_code: Mapping[str, list[Rule]],
    devices: Mapping[str, Json],
    context: Context,
) -> Iterator[Wake]:
    """Of what a device sent and a rule would count: why it can't be counted, or is in doubt. What people write down later is their record."""
    heard, observation, rule = observed.heard, observed.body, rules.get(UNUSABLE)
    if rule is None or heard.version > 1 or "device" not in observation:
        return
    if not counts(observation) or not _is_measured(observation, by_code):
        return
    faults = {problem.reason for each, by in observed.readings if (problem := unusable_for(each, by, context.at))}
    told = {str(each) for each in faults}
    told |= (
        {"late"} if any(context.at - HISTORY < each.at < context.at - LATE for each, _ in observed.readings) else set()
    )
    told |= {"no-time"} if instant_of(observation, context.zone) is None else set()
    told |= {"unknown-device"} if not _is_known(observation, devices) else set()
    now = context.at.astimezone(context.zone)
    at = after_quiet(rule.quiet, now)
    for fault in sorted(told):
        holder, act = f"Patient/{heard.patient} {UNUSABLE}", f"event Observation/{heard.id} {fault}"
        yield Wake(holder, act, at if at > now else None)


def _calls(heard: Heard) -> Iterator[Wake]:
    """A call for help by a button or by people, a fall that a device has noticed; what the platform itself sends is none."""
    resource = heard.resource or {}
    concepts = [resource.get("code")] if heard.type == "Observation" else resource.get("category", [])
    found = [code for each in concepts if (code := code_in(each, ALERT_RULE)) in CALLS]
    is_ours = any(each.get("system") == SID for each in resource.get("identifier", ()))
    is_over = resource.get("valueBoolean") is False or resource.get("status") in ("entered-in-error", "not-done")
    if heard.version == 1 and heard.patient and found and not is_ours and not is_over:
        yield Wake(f"Patient/{heard.patient} {found[0]}", f"event {heard.type}/{heard.id}")


def _watches(observations: Sequence[_Observed], watched: dict[str, datetime], context: Context) -> Iterator[Wake]:
    """Who sends readings now is watched for the lack of them; said again now and then, for it may have ended."""
    if len(watched) > _MOST_WATCHED:
        watched.clear()
    for each in observations:
        if "device" not in each.body:
            continue
        for reading, rule in each.readings:
            holder = f"Patient/{each.heard.patient} {rule.code} watch"
            due = reading.at + timedelta(hours=rule.hours) if isinstance(rule, Missing) else context.at
            if due > context.at and watched.get(holder, context.at - _AGAIN) <= context.at - _AGAIN:
                watched[holder] = context.at
                yield Wake(holder, "watch", due)


def _is_measured(observation: Json, by_code: Mapping[str, list[Rule]]) -> bool:
    parts = (observation, *observation.get("component", ()))
    return any(code_in(part.get("code"), LOINC) in by_code for part in parts)


def _is_known(observation: Json, devices: Mapping[str, Json]) -> bool:
    """A device that is there, in use, and nobody else's."""
    device = devices.get(_device(observation))
    if device is None or device.get("status", "active") != "active":
        return False
    whose = device.get("patient", {}).get("reference")
    return whose is None or whose == observation.get("subject", {}).get("reference")


def _device(observation: Json) -> str:
    return str(observation.get("device", {}).get("reference", ""))


async def _devices(observations: Sequence[_Observed], context: Context) -> dict[str, Json]:
    names = {name for each in observations if (name := _device(each.body)).startswith("Device/")}
    if not names:
        return {}
    await context.fetch(sorted(names))
    found = {name: await context.read("Device", name.partition("/")[2]) for name in names}
    return {name: each[0] for name, each in found.items() if each is not None}


async def _open(observations: Sequence[_Observed], rules: Mapping[str, Rule], context: Context) -> set[str]:
    """The places of open alerts that these may end."""
    keys = {key_of(code, f"Patient/{each.heard.patient}") for each in observations for code in _may_end(each, rules)}
    return {*await context.held(sorted(keys))} if keys else set()
