"""What the patient and the institution of the number source are told of a booking: http://hl7.org/fhir/R4/communication.html"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.fhir.elements import concept, reference_in
from services.referral.booking import states
from services.referral.codes import SERVICE_CATEGORY

Json = dict[str, Any]


def told(appointment: Json, text: str, at: datetime, zone: ZoneInfo) -> Json:
    """No name stands in it."""
    actors = (each.get("actor", {}) for each in appointment.get("participant", ()))
    patients = [each for each in actors if reference_in(each).startswith("Patient/")]
    provider = states.provider_of(appointment)
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [concept(SERVICE_CATEGORY, "booking", "预约挂号")],
        **({"subject": patients[0]} if patients else {}),
        "about": [{"reference": f"Appointment/{appointment['id']}"}],
        "sent": at.astimezone(zone).isoformat(),
        "recipient": [*patients, *([provider] if provider else [])],
        "payload": [{"contentString": text}],
    }
