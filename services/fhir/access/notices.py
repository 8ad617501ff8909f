"""What the institutions of a patient are told when another one gets in, and what they are asked to review.

http://hl7.org/fhir/R4/communication.html · http://hl7.org/fhir/R4/task.html
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]

REVIEW: Final = timedelta(hours=24)
TASK_CODE: Final = "https://yiyang.example/fhir/CodeSystem/task-code"


def notice(patient: str, recipients: Sequence[str], sender: str, text: str, at: datetime) -> Json:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [{"text": "访问告知"}],
        "subject": {"reference": f"Patient/{patient}"},
        "sent": at.isoformat(),
        "recipient": [institution(each) for each in recipients],
        "sender": institution(sender),
        "payload": [{"contentString": text}],
    }


def review(
    code: str, display: str, reason: str, patient: str, requester: str, reviewers: Sequence[str], at: datetime
) -> Json:
    """In the queue of the institution that cares for the patient longest, else in the platform's own."""
    owner = {"owner": institution(reviewers[0])} if reviewers else {}
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "priority": "urgent",
        "code": {"coding": [{"system": TASK_CODE, "code": code, "display": display}]},
        "description": reason,
        "for": {"reference": f"Patient/{patient}"},
        "authoredOn": at.isoformat(),
        "requester": institution(requester),
        "restriction": {"period": {"end": (at + REVIEW).isoformat()}},
        **owner,
    }


def institution(organization: str) -> Json:
    return {"reference": f"Organization/{organization}"}
