"""The status of a Slot follows what is held of it: http://hl7.org/fhir/R4/slot.html"""

from collections.abc import Iterable
from typing import Any

from services.referral.desk import Desk
from services.referral.effects import capacity_of

Json = dict[str, Any]


async def slots_after(
    left: Iterable[str], taken: Iterable[str], desk: Desk, handed: Iterable[str] = ()
) -> dict[str, tuple[Json, int]]:
    """Busy when its last place is taken, free again when one is given up; what stays as it is or is `handed` over, is not written."""
    gone, new = {*left} - {*taken}, {*taken} - {*left} - {*handed}
    found: dict[str, tuple[Json, int]] = {}
    for name in sorted(gone | new):
        there = await desk.there(name)
        if there is None:
            continue
        slot, version = there
        held = (await desk.context.held([f"slot:{name}"])).get(f"slot:{name}", 0)
        after = held + (1 if name in new else -1)
        status = "busy" if after >= capacity_of(slot) else "free"
        if slot.get("status") in ("free", "busy") and slot["status"] != status:
            found[name] = (slot | {"status": status}, version)
    return found
