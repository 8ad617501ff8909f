"""What stands beside an alert: its Flag on the patient, the Task of who is to answer, and of an alarm the call itself.

http://hl7.org/fhir/R4/flag.html, http://hl7.org/fhir/R4/task.html, http://hl7.org/fhir/R4/communication.html
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import Any, Final

from services.care.alerts.chain import Chain, Step
from services.care.alerts.codes import (
    ALERT_OUTCOME,
    ALERT_OUTPUT,
    ALERT_ROLE,
    ALERT_RULE,
    ALERT_STATUS,
    TASK_CODE,
    of_alert,
)
from services.care.alerts.course import Course, patient_of, rule_code_of
from services.care.alerts.workflow import CLOSED
from services.fhir.elements import reference
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

_TASK: Final = {
    "raised": "requested",
    "acknowledged": "accepted",
    "arrived": "in-progress",
    "resolved": "completed",
    "over": "cancelled",
}
_UCUM: Final = "http://unitsofmeasure.org"
_FLAG_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/flag-category"


def flag(issue: Json, course: Course, zone: tzinfo) -> Json:
    start = _said(course.raised, zone)
    ended = course.resolved if course.state == "resolved" else course.back if course.state in CLOSED else None
    return {
        "resourceType": "Flag",
        "id": course.flag.partition("/")[2],
        "identifier": of_alert(issue["id"]),
        "status": "inactive" if course.state in CLOSED else "active",
        "category": [{"coding": [{"system": _FLAG_CATEGORY, "code": "clinical", "display": "Clinical"}]}],
        "code": issue["code"],
        "subject": issue["patient"],
        "period": {"start": start} | ({"end": _said(ended, zone)} if ended else {}),
    }


def task(issue: Json, course: Course, chain: Chain, owner: str, due: datetime | None, zone: tzinfo) -> Json:
    """`owner` is who is to answer at this step; `due` until when."""
    step = chain.steps[course.step]
    return {
        "resourceType": "Task",
        "id": course.task.partition("/")[2],
        "identifier": of_alert(issue["id"]),
        "status": _TASK[course.state],
        **({"statusReason": {"text": "读数已恢复 · The readings are back"}} if course.state == "over" else {}),
        "businessStatus": known_concept(ALERT_STATUS, course.state),
        "intent": "order",
        "priority": chain.priority,
        "code": known_concept(TASK_CODE, "sos" if course.call else "alert"),
        "description": issue["code"]["text"],
        "focus": reference(f"DetectedIssue/{issue['id']}"),
        "for": issue["patient"],
        "authoredOn": _said(course.raised, zone),
        "performerType": [known_concept(ALERT_ROLE, step.role)],
        **({"owner": reference(owner)} if owner else {}),
        **({"restriction": {"period": {"end": _said(due, zone)}}} if due else {}),
        "output": [*_times(course, zone)],
    }


def call(issue: Json, course: Course, owner: str, zone: tzinfo) -> Json:
    """Of an alarm: sent to who is to come, received when it is acknowledged."""
    asked = [each for each in issue.get("implicated", ()) if each["reference"].startswith("Communication/")]
    return {
        "resourceType": "Communication",
        "id": course.call.partition("/")[2],
        "identifier": of_alert(issue["id"]),
        **({"inResponseTo": asked[:1]} if asked else {}),
        "status": "completed" if course.state in CLOSED else "in-progress",
        "category": [known_concept(ALERT_RULE, rule_code_of(issue))],
        "priority": "stat",
        "subject": issue["patient"],
        "about": [reference(f"DetectedIssue/{issue['id']}"), reference(course.task)],
        "sent": _said(course.raised, zone),
        **({"received": _said(course.acknowledged, zone)} if course.acknowledged else {}),
        **({"recipient": [reference(owner)]} if owner else {}),
        "payload": [{"contentString": issue["code"]["text"]}],
    }


def answered_by(step: Step, institution: str, above: str) -> str:
    """The last step is of who stands above the institution, where somebody does."""
    return above or institution if step.role == "county" else institution


def institution_named(found: Iterable[Json]) -> str:
    """Who has the patient in its care: the first that names an institution."""
    for resource in found:
        named = resource.get("managingOrganization") or resource.get("serviceProvider") or {}
        if str(named.get("reference", "")).startswith("Organization/"):
            return str(named["reference"])
    return ""


def _times(course: Course, zone: tzinfo) -> Iterator[Json]:
    """When it was received, acknowledged and arrived at, how long that took, and what came of it."""
    for name, at in (
        ("received", course.raised),
        ("acknowledged", course.acknowledged),
        ("arrived", course.arrived),
        ("resolved", course.resolved),
    ):
        if at:
            yield {"type": known_concept(ALERT_OUTPUT, name), "valueDateTime": _said(at, zone)}
    for name, at in (("time-to-acknowledge", course.acknowledged), ("time-to-arrive", course.arrived)):
        if at and course.raised:
            seconds = round((at - course.raised).total_seconds(), 3)
            took = {"value": seconds, "unit": "s", "system": _UCUM, "code": "s"}
            yield {"type": known_concept(ALERT_OUTPUT, name), "valueDuration": took}
    if course.outcome:
        yield {
            "type": known_concept(ALERT_OUTPUT, "outcome"),
            "valueCodeableConcept": known_concept(ALERT_OUTCOME, course.outcome),
        }


def _said(at: datetime | None, zone: tzinfo) -> str:
    assert at is not None  # noqa: S101 - an alert has been raised
    return at.astimezone(zone).isoformat(timespec="milliseconds")


def subject_of(issue: Json) -> str:
    return patient_of(issue).partition("/")[2]
