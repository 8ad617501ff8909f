"""ADT^A40: the record of MRG-1 is merged into that of PID-3, by links (docs/adr/0034)."""

from typing import Final

from services.records.v2.faults import UNKNOWN_KEY, Fault, NotTakenError, Place
from services.records.v2.person import known_by
from services.records.v2.work import Work

_KEPT: Final = Place("PID", field=3)
_GONE: Final = Place("MRG", field=1)


async def merged(work: Work) -> None:
    kept = await known_by(work, work.filled("PID").elements["identifier"], _KEPT)
    gone = await known_by(work, work.filled("MRG").elements["identifier"], _GONE)
    missing = [place for place, each in ((_KEPT, kept), (_GONE, gone)) if each is None]
    if kept is None or gone is None:
        raise NotTakenError("AE", *map(_unknown, missing))
    if kept[0]["id"] != gone[0]["id"]:  # else it is done already
        work.merging = (str(gone[0]["id"]), str(kept[0]["id"]))


def _unknown(place: Place) -> Fault:
    return Fault(
        place,
        UNKNOWN_KEY,
        f"{place}: no record with this identifier is known to the sender",
        f"{place}：未找到该标识对应的档案",
    )
