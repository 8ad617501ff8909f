"""The codes of alerts, and how they stand in a resource: docs/monitoring.md, docs/fhir/terminologies.md"""

from typing import Any, Final

from services.care.scoring.instrument import CANONICAL
from services.fhir.terminology.shipped import shipped_system

Json = dict[str, Any]

_SYSTEM: Final = f"{CANONICAL}/CodeSystem"
ALERT_RULE: Final = f"{_SYSTEM}/alert-rule"
ALERT_STATUS: Final = f"{_SYSTEM}/alert-status"
ALERT_OUTCOME: Final = f"{_SYSTEM}/alert-outcome"
ALERT_OUTPUT: Final = f"{_SYSTEM}/alert-output"
ALERT_ROLE: Final = f"{_SYSTEM}/alert-role"
READING_FAULT: Final = f"{_SYSTEM}/reading-fault"
TASK_CODE: Final = f"{_SYSTEM}/task-code"
SID: Final = f"{CANONICAL}/sid/alert"
"""Of what the platform writes for an alert, the value is the id of its DetectedIssue."""


def concept(system: str, code: str) -> Json:
    found = shipped_system(system)
    display = found.concepts[code].display if found and code in found.concepts else None
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def code_in(concept_: Json | None, system: str) -> str:
    """The code of the system in a CodeableConcept, empty where there is none."""
    codings = (concept_ or {}).get("coding", ())
    return next((str(each["code"]) for each in codings if each.get("system") == system and "code" in each), "")


def of_alert(alert: str) -> list[Json]:
    return [{"system": SID, "value": alert}]


def reference(name: str) -> Json:
    return {"reference": name}
