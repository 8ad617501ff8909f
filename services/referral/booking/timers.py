"""What the platform clock does for an Appointment: gives up what nobody booked, reminds who did (docs/adr/0027, docs/adr/0052)."""

from collections.abc import Sequence
from typing import Any

from services.fhir.business import Context, Intent, changed, created
from services.fhir.pages import words
from services.referral.booking import states
from services.referral.booking.told import told

Json = dict[str, Any]


async def on_appointment(appointment_id: str, act: str, context: Context) -> Sequence[Intent]:
    """Nothing where somebody was faster."""
    found = await context.read("Appointment", appointment_id)
    if found is None:
        return ()
    appointment, version = found
    if act == "expire" and appointment.get("status") == states.WAITING:
        reason = {"text": "未在保留时间内确认 · not confirmed in time"}
        return (changed(appointment | {"status": "cancelled", "cancelationReason": reason}, version),)
    if act == "remind" and appointment.get("status") == "booked":
        return (created(reminder(appointment, context)),)
    return ()


def reminder(appointment: Json, context: Context) -> Json:
    """To the patient and the institution that answers for the number source."""
    when = words.when(appointment.get("start"), context.zone)
    text = f"就诊提醒：您的预约时间为 {when}，请提前到院签到 · your appointment is at {appointment.get('start')}"
    return told(appointment, text, context.at, context.zone)
