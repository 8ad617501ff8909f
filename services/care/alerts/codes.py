"""The codes of alerts, and how they stand in a resource: docs/monitoring.md, docs/fhir/terminologies.md"""

from typing import Any, Final

from services.fhir.elements import CANONICAL

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


def of_alert(alert: str) -> list[Json]:
    return [{"system": SID, "value": alert}]
