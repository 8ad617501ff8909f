"""What is free, institution by institution: beds that nobody holds, number sources, how far, how soon (docs/referral-workflow.md).

http://hl7.org/fhir/R4/location.html · http://hl7.org/fhir/R4/slot.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final, NamedTuple

from services.fhir.access.grants import instant_of
from services.fhir.elements import id_in, reference_in
from services.referral.effects import capacity_of, quota_owner

Json = dict[str, Any]

BED: Final = "bd"
_EARTH_KM: Final = 6371.0


class Place(NamedTuple):
    """A position on the earth, in degrees."""

    latitude: float
    longitude: float

    def distance(self, other: "Place") -> float:
        """Kilometres along the great circle."""
        a, b = (radians(each) for each in (self.latitude, other.latitude))
        half = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians(other.longitude - self.longitude) / 2) ** 2
        return 2 * _EARTH_KM * asin(sqrt(half))


class Free(NamedTuple):
    """What one institution has free, for whom asks."""

    organization: str
    beds: int = 0
    slots: int = 0
    soonest: datetime | None = None
    distance: float | None = None


def is_bed(location: Json) -> bool:
    codings = location.get("physicalType", {}).get("coding", ())
    return any(coding.get("code") == BED for coding in codings) and location.get("status", "active") == "active"


def free_beds(locations: Iterable[Json], held: Mapping[str, int], asker: str) -> dict[str, int]:
    """By institution: unoccupied, held by nobody, kept for nobody else."""
    found: dict[str, int] = {}
    for location in locations:
        name, owner = f"Location/{location['id']}", id_in(location.get("managingOrganization"), "Organization")
        if (
            owner
            and is_bed(location)
            and is_for(location, asker)
            and held.get(f"bed:{name}", 0) < capacity_of(location)
        ):
            found[owner] = found.get(owner, 0) + 1
    return found


def free_slots(
    slots: Iterable[Json], owners: Mapping[str, str], held: Mapping[str, int], asker: str
) -> dict[str, tuple[int, datetime | None]]:
    """By institution: places left in slots, and the start of the soonest; `owners` are those of the schedules."""
    found: dict[str, tuple[int, datetime | None]] = {}
    for slot in slots:
        owner = owners.get(reference_in(slot.get("schedule")))
        left = capacity_of(slot) - held.get(f"slot:Slot/{slot['id']}", 0)
        start = instant_of(slot.get("start"))
        if owner and left > 0 and is_for(slot, asker):
            count, soonest = found.get(owner, (0, None))
            found[owner] = (count + left, min(filter(None, (soonest, start)), default=None))
    return found


def is_for(place: Json, asker: str) -> bool:
    """Kept for another institution by an agreement, it is none for this one."""
    owner = quota_owner(place)
    return not owner or owner == f"Organization/{asker}"


def position_of(location: Json) -> Place | None:
    position = location.get("position", {})
    if "latitude" not in position or "longitude" not in position:
        return None
    return Place(float(position["latitude"]), float(position["longitude"]))


def ordered(found: Iterable[Free]) -> list[Free]:
    """The nearest first where a place is named, then the soonest, then the one with most beds."""
    return sorted(
        found,
        key=lambda each: (
            each.distance if each.distance is not None else float("inf"),
            each.soonest.timestamp() if each.soonest else float("inf"),
            -each.beds,
            each.organization,
        ),
    )
