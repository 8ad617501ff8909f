"""What the platform keeps of an alert in its DetectedIssue: the state, how far the chain has gone, when what happened, what was written beside."""

from datetime import datetime
from typing import Any, Final

import msgspec

from services.care.alerts.codes import ALERT_RULE, SID
from services.fhir.elements import CANONICAL, code_in

Json = dict[str, Any]

COURSE: Final = f"{CANONICAL}/StructureDefinition/alert-course"
NEW: Final = ""


class Course(msgspec.Struct, frozen=True):
    """`back` is when the readings were back, none while they are not; `task`, `flag` and `call` are `Type/id`s."""

    state: str = NEW
    chain: str = ""
    step: int = 0
    raised: datetime | None = None
    acknowledged: datetime | None = None
    arrived: datetime | None = None
    resolved: datetime | None = None
    back: datetime | None = None
    outcome: str = ""
    task: str = ""
    flag: str = ""
    call: str = ""


_INSTANTS: Final = ("raised", "acknowledged", "arrived", "resolved", "back")
_FIELDS: Final = {
    name: {datetime} if name in _INSTANTS else {int} if name == "step" else {str} for name in Course.__struct_fields__
}


def is_alert(issue: Json | None) -> bool:
    """Other DetectedIssues, such as a system's own of two drugs that do not go together, are nobody's alert here."""
    return any(each.get("system") == SID for each in (issue or {}).get("identifier", ()))


def rule_code_of(issue: Json) -> str:
    return code_in(issue.get("code"), ALERT_RULE)


def patient_of(issue: Json) -> str:
    """`Patient/id`."""
    return str(issue["patient"]["reference"])


def course_of(issue: Json | None) -> Course:
    for extension in (issue or {}).get("extension", ()):
        if extension.get("url") == COURSE:
            return Course(**dict(filter(None, map(_part, extension.get("extension", ())))))
    return Course()


def with_course(issue: Json, course: Course) -> Json:
    others = [each for each in issue.get("extension", ()) if each.get("url") != COURSE]
    parts = [{"url": name, **_written(value)} for name, value in msgspec.structs.asdict(course).items() if value]
    return issue | {"extension": [*others, {"url": COURSE, "extension": parts}]}


def _part(part: Json) -> tuple[str, Any] | None:
    """A field with its value; None for what the platform does not write, which a client may have sent."""
    value = _value(part)
    name = part.get("url", "")
    is_known = name in _FIELDS and type(value) in _FIELDS[name]
    return (name, value) if is_known else None


def _value(part: Json) -> Any:
    if "valueInstant" in part:
        return datetime.fromisoformat(part["valueInstant"])
    if "valueReference" in part:
        return part["valueReference"].get("reference")
    return part["valueInteger"] if "valueInteger" in part else part.get("valueCode")


def _written(value: Any) -> Json:
    if isinstance(value, datetime):
        return {"valueInstant": value.isoformat()}
    if isinstance(value, int):
        return {"valueInteger": value}
    return {"valueReference": {"reference": value}} if "/" in value else {"valueCode": value}
