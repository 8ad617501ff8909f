"""What an Appointment holds in each of its states: http://hl7.org/fhir/R4/valueset-appointmentstatus.html"""

from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.fhir.access.grants import instant_of
from services.fhir.elements import CANONICAL, reference_in

Json = dict[str, Any]

HELD_FOR: Final = timedelta(minutes=10)
"""How long a place is kept for who has not booked yet."""
REMINDED_BEFORE: Final = timedelta(hours=24)
WAITING: Final = "pending"
HOLDING: Final = frozenset({"pending", "booked", "arrived", "checked-in"})
OVER: Final = frozenset({"fulfilled", "cancelled", "noshow", "entered-in-error"})
PROVIDER_EXTENSION: Final = f"{CANONICAL}/StructureDefinition/appointment-provider"


def slots_of(appointment: Json | None) -> tuple[str, ...]:
    """The `Slot/id` whose places it holds."""
    if appointment is None or appointment.get("status") not in HOLDING:
        return ()
    names = (reference_in(each) for each in appointment.get("slot", ()))
    return tuple(dict.fromkeys(name for name in names if name.startswith("Slot/")))


def is_over(appointment: Json | None) -> bool:
    return appointment is not None and appointment.get("status") in OVER


def with_provider(appointment: Json, organization: str | None) -> Json:
    """Whose number source it is, as the platform finds it: a client cannot say it."""
    others = [each for each in appointment.get("extension", ()) if each.get("url") != PROVIDER_EXTENSION]
    own = [{"url": PROVIDER_EXTENSION, "valueReference": {"reference": f"Organization/{organization}"}}]
    kept = {name: each for name, each in appointment.items() if name != "extension"}
    extensions = [*others, *(own if organization else [])]
    return kept | ({"extension": extensions} if extensions else {})


def provider_of(appointment: Json) -> Json | None:
    """A reference to the institution whose number source it is."""
    found = (each for each in appointment.get("extension", ()) if each.get("url") == PROVIDER_EXTENSION)
    return next((each.get("valueReference") for each in found), None)


def until(appointment: Json, at: datetime) -> datetime | None:
    """Until when the places are held: a while where nobody has booked yet, else until it is over."""
    return at + HELD_FOR if appointment.get("status") == WAITING else instant_of(appointment.get("end"))


def reminder(appointment: Json, at: datetime) -> datetime | None:
    """When the patient is to be reminded; None where that is past, or nothing is booked."""
    start = instant_of(appointment.get("start"))
    if appointment.get("status") != "booked" or start is None or start - REMINDED_BEFORE <= at:
        return None
    return start - REMINDED_BEFORE


def day_of(appointment: Json, zone: ZoneInfo) -> str:
    """The day on which it is, where the institution is; empty where it has no time."""
    start = instant_of(appointment.get("start"))
    return start.astimezone(zone).date().isoformat() if start else ""
