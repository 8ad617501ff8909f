"""What the clock does of alerts: looks at readings, raises, lets subside, tells the next one (services/fhir/clockwork.py).

A look is made of what the store holds when it is made, so one look does for many readings, and a second one changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.care.alerts.business import key_of
from services.care.alerts.codes import ALERT_RULE, READING_FAULT, of_alert
from services.care.alerts.course import Course, course_of, with_course
from services.care.alerts.workflow import CLOSED, moved
from services.care.monitoring.evaluate import Finding, evaluate, measures_of
from services.care.monitoring.readings import LOINC, readings_in
from services.care.monitoring.rule import Event, Missing, Reading, Rule, Trend
from services.fhir.business import Context, Intent, Timer, changed, created
from services.fhir.elements import reference
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

LATE: Final = timedelta(hours=24)
"""A reading that comes later than this raises nothing any more."""
MOST_READINGS: Final = 200
MOST_EVIDENCE: Final = 20


class Looking:
    """One timer of monitoring that is due; `holder` is `Patient/id rule`, or the same with `watch`."""

    def __init__(self, rules: Mapping[str, Rule], holder: str, context: Context) -> None:
        self._patient, code = holder.split(" ")[:2]
        self._rule = rules.get(code)
        self._context = context
        self._now = context.at.astimezone(context.zone)

    async def look(self) -> Sequence[Intent | Timer]:
        """At the readings, now."""
        if self._rule is None:
            return ()
        there = await self._open()
        found = await self._found(there)
        if found.state == "raise":
            return self._raised(found)
        if there is None or found.state == "normal":
            return ()
        return self._went_on(found, *there)

    async def watch(self) -> Sequence[Intent | Timer]:
        """Whether readings still come: of what is watched, until the device is no longer used."""
        rule = self._rule
        if not isinstance(rule, Missing):
            return ()
        there = await self._open()
        newest = await self._newest(rule, 1)
        if not newest or not await self._is_watched(newest[0]):
            return ()
        again = Timer("watch", self._next(newest[0], rule))
        if there is not None:
            return (again,)
        found = await self._found(None)
        if found.state != "raise":
            return (again,)
        if found.tell_at and found.tell_at > self._now:
            return (Timer("watch", found.tell_at),)
        return (*self._raised(found), again)

    async def event(self, name: str, fault: str) -> Sequence[Intent | Timer]:
        """`name` is what happened, a `Type/id`; `fault` why a reading is not counted."""
        if self._rule is None or await self._is_known(name):
            return ()
        evidence = [_evidence(name, fault)]
        there = await self._open()
        if there is None:
            return (created(self._issue((name,), evidence)),)
        issue, version = there
        named = issue.get("implicated", [])
        if len(named) >= MOST_EVIDENCE or reference(name) in named:
            return ()
        more = {"implicated": [*named, reference(name)], "evidence": [*issue.get("evidence", ()), *evidence]}
        return (changed(with_course(issue | more, moved(course_of(issue), "again")), version),)

    async def _open(self) -> tuple[Json, int] | None:
        """The alert that holds the place: open, or resolved while the readings are not back."""
        assert self._rule is not None  # noqa: S101 - looked at before
        key = key_of(self._rule.code, self._patient)
        holder = (await self._context.holders([key])).get(key)
        return await self._context.read("DetectedIssue", holder.partition("/")[2]) if holder else None

    async def _found(self, there: tuple[Json, int] | None) -> Finding:
        rule = self._rule
        assert rule is not None  # noqa: S101 - looked at before
        hours = timedelta(hours=rule.hours) if isinstance(rule, Trend | Missing) else LATE
        since = self._context.at - hours
        if there is not None:
            since = min(since, datetime.fromisoformat(there[0]["identifiedDateTime"]) - hours)
        readings = await readings_of(rule, self._patient, since, self._context)
        return evaluate(rule, readings, self._now, is_open=there is not None)

    def _raised(self, found: Finding) -> Sequence[Intent | Timer]:
        """In quiet hours it is looked at again when they are over: what is back by then was nobody's night."""
        if found.tell_at and found.tell_at > self._now:
            return (Timer("look", found.tell_at),)
        names = [f"Observation/{each}" for each in found.evidence]
        return (created(self._issue(names, [_evidence(name, "") for name in names])),)

    def _went_on(self, found: Finding, issue: Json, version: int) -> Sequence[Intent]:
        course = course_of(issue)
        if found.state == "clear":
            if course.back is not None or course.state == "over":
                return ()
            is_latched = course.state in CLOSED or issue["severity"] == "high" or course.state != "raised"
            act = "subside" if is_latched else "end"
            return (changed(with_course(issue, moved(course, act, back=self._context.at)), version),)
        if course.back is None or course.state in CLOSED:
            return ()
        return (changed(with_course(issue, moved(course, "again", back=None)), version),)

    def _issue(self, names: Sequence[str], evidence: Sequence[Json]) -> Json:
        rule = self._rule
        assert rule is not None  # noqa: S101 - looked at before
        alert = self._context.new_id(self._patient.partition("/")[2])
        code = known_concept(ALERT_RULE, rule.code) | {"text": f"{rule.zh} · {rule.en}"}
        issue = {
            "resourceType": "DetectedIssue",
            "id": alert,
            "identifier": of_alert(alert),
            "status": "preliminary",
            "code": code,
            "severity": rule.severity,
            "patient": reference(self._patient),
            "identifiedDateTime": self._now.isoformat(timespec="milliseconds"),
            **({"implicated": [reference(each) for each in names]} if names else {}),
            **({"evidence": [*evidence]} if evidence else {}),
        }
        return with_course(issue, moved(Course(), "raise"))

    async def _is_known(self, name: str) -> bool:
        """What has raised an alert once does so no more, however often it is heard of."""
        asked = [("patient", self._patient), ("implicated", name), ("code", f"{ALERT_RULE}|{_code(self._rule)}")]
        return bool(await self._context.first("DetectedIssue", asked, 1))

    async def _newest(self, rule: Missing, count: int) -> list[Json]:
        asked = [*_asked(rule, self._patient), ("_sort", "-date")]
        return [each for each, _ in await self._context.first("Observation", asked, count)]

    async def _is_watched(self, observation: Json) -> bool:
        """What a device sends; where its use by this person is on record, as long as that goes on."""
        device = observation.get("device", {}).get("reference", "")
        if not device:
            return False
        asked = [("subject", self._patient), ("device", device)]
        uses = await self._context.search("DeviceUseStatement", asked)
        return not uses or any(use["status"] == "active" for use, _ in uses)

    def _next(self, observation: Json, rule: Missing) -> datetime:
        newest = max((each.at for each in readings_in(observation, self._context.zone)), default=self._now)
        due = newest + timedelta(hours=rule.hours)
        return due if due > self._now else self._now + timedelta(hours=rule.hours)


async def readings_of(rule: Rule, patient: str, since: datetime, context: Context) -> list[Reading]:
    """The newest of what the rule measures."""
    if isinstance(rule, Event):
        return []
    asked = [*_asked(rule, patient), ("date", f"ge{since.isoformat(timespec='seconds')}"), ("_sort", "-date")]
    found = await context.first("Observation", asked, MOST_READINGS)
    return [reading for each, _ in found for reading in readings_in(each, context.zone)]


async def escalated(holder: str, context: Context) -> Sequence[Intent]:
    """Nobody has answered: it is the next one's."""
    kind, _, alert = holder.partition("/")
    found = await context.read(kind, alert)
    if found is None or course_of(found[0]).state != "raised":
        return ()
    issue, version = found
    course = course_of(issue)
    return (changed(with_course(issue, moved(course, "escalate", step=course.step + 1)), version),)


def _asked(rule: Rule, patient: str) -> list[tuple[str, str]]:
    codes = sorted({code for measure in measures_of(rule) for code in measure.codes})
    return [("patient", patient), ("combo-code", ",".join(f"{LOINC}|{code}" for code in codes))]


def _evidence(name: str, fault: str) -> Json:
    return ({"code": [known_concept(READING_FAULT, fault)]} if fault else {}) | {"detail": [reference(name)]}


def _code(rule: Rule | None) -> str:
    return rule.code if rule else ""
