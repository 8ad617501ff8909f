"""What is decided on a family doctor's contract: an elder has one at a time, and a renewal ends the one before (docs/adr/0026, docs/adr/0056)."""

from datetime import datetime
from typing import Any

from services.fhir.business import Change, Hold
from services.fhir.search.dates import parse_range
from services.referral.decided import Part
from services.referral.desk import Desk
from services.referral.family_doctor.contract import (
    RENEWED,
    SAID,
    check,
    former_of,
    is_family_doctor,
    is_standing,
    patient_of,
)
from services.referral.refusals import lacks

Json = dict[str, Any]


async def decide_contract(change: Change, desk: Desk) -> Part | None:
    """None for a contract of another kind."""
    before, after = change.before, change.after
    if not is_family_doctor(before) and not is_family_doctor(after):
        return None
    holder = f"Contract/{change.id}"
    left, taken = _key(before), None
    renewed: dict[str, tuple[Json, int]] = {}
    if after is not None and is_standing(after):
        if not is_standing(before) or any((before or {}).get(name) != after.get(name) for name in SAID):
            check(after)
        taken = _key(after)
        renewed = await _renewed(after, desk) if not is_standing(before) else {}
    freed = [f"{name} {taken}" for name in renewed]
    return Part(
        changed={name: (body | {"status": RENEWED}, version) for name, (body, version) in renewed.items()},
        takes=(Hold(taken, holder, until=_end(after, desk)),) if taken and after else (),
        frees=(*freed, *((f"{holder} {left}",) if left and left != taken else ())),
    )


def _key(contract: Json | None) -> str | None:
    patient = patient_of(contract)
    return f"family-doctor:{patient}" if patient and is_standing(contract) else None


async def _renewed(contract: Json, desk: Desk) -> dict[str, tuple[Json, int]]:
    """The contract before it, where it still stands; only one of the same elder can be renewed."""
    name = former_of(contract)
    there = await desk.there(name) if name else None
    if there is None:
        return {}
    if not is_family_doctor(there[0]) or patient_of(there[0]) != patient_of(contract):
        raise lacks("Contract.supportingInfo", "is no contract of this elder", "所续签的协议不属于该居民")
    return {name: there} if is_standing(there[0]) else {}


def _end(contract: Json, desk: Desk) -> datetime | None:
    """The first instant after the last day."""
    try:
        return parse_range(str(contract["applies"]["end"]), desk.context.zone)[1]
    except ValueError:
        return None
