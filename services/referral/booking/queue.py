"""Who waits at a schedule 候诊: in the order of their times, and who is told that it is nearly their turn (docs/adr/0052).

http://hl7.org/fhir/R4/valueset-appointmentstatus.html: arrived and checked in wait, fulfilled is called in.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.referral.booking.told import told

Json = dict[str, Any]

PRESENT: Final = frozenset({"arrived", "checked-in"})
TOLD_AT: Final = 1
"""How many are ahead of whom is told."""


def in_order(waiting: Iterable[Json]) -> list[Json]:
    """By the time of the appointment, then by who was registered first."""
    present = [each for each in waiting if each.get("status") in PRESENT]
    return sorted(present, key=lambda each: (str(each.get("start", "")), str(each.get("id", ""))))


def ahead(appointment: Json, waiting: Iterable[Json]) -> int | None:
    """How many are called in before; None for who does not wait."""
    names = [each.get("id") for each in in_order(waiting)]
    return names.index(appointment.get("id")) if appointment.get("id") in names else None


def is_called(before: Json | None, after: Json | None) -> bool:
    """Was somebody who waited called in?"""
    return (before or {}).get("status") in PRESENT and (after or {}).get("status") == "fulfilled"


def notice(appointment: Json, at: datetime, zone: ZoneInfo) -> Json:
    """It is nearly their turn."""
    text = f"候诊提醒：前面还有 {TOLD_AT} 位，请到诊室外等候 · {TOLD_AT} ahead of you, please wait at the room"
    return told(appointment, text, at, zone)
