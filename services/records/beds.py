"""Beds and who lies in them: which bed a stay takes, whether it is open, and what it is for (docs/adr/0054).

http://hl7.org/fhir/R4/encounter.html · http://hl7.org/fhir/R4/location.html
"""

from datetime import datetime
from typing import Any, Final

from services.fhir.access.grants import name_in
from services.fhir.histories import with_history

Json = dict[str, Any]

HERE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_LEFT: Final = frozenset({"planned", "completed"})
BED: Final = "bd"
STATUS: Final = "http://terminology.hl7.org/CodeSystem/v2-0116"
OCCUPIED, UNOCCUPIED = "O", "U"
_DISPLAYS: Final = {OCCUPIED: "Occupied", UNOCCUPIED: "Unoccupied"}
_OPEN: Final = frozenset({OCCUPIED, UNOCCUPIED, ""})
NATURE_EXTENSION: Final = "https://yiyang.example/fhir/StructureDefinition/bed-nature"
MEDICAL: Final = "medical"
INPATIENT: Final = frozenset({"IMP", "ACUTE", "NONAC", "OBSENC"})
"""http://terminology.hl7.org/ValueSet/v3-ActEncounterCode: 住院; all other classes of a stay are no hospital care."""


def places_of(encounter: Json | None) -> tuple[str, ...]:
    """The `Location/id` in which the patient is now."""
    if encounter is None or encounter.get("status") not in HERE:
        return ()
    found = (
        name_in(each.get("location"))
        for each in encounter.get("location", ())
        if each.get("status", "active") not in _LEFT and "end" not in each.get("period", {})
    )
    return tuple(dict.fromkeys(name for name in found if name and name.startswith("Location/")))


def is_bed(location: Json) -> bool:
    return any(each.get("code") == BED for each in location.get("physicalType", {}).get("coding", ()))


def status_of(location: Json) -> str:
    status: Json = location.get("operationalStatus", {})
    return str(status.get("code", "")) if status.get("system", STATUS) == STATUS else ""


def is_open(location: Json) -> bool:
    """In use, and neither closed nor contaminated, isolated or being cleaned."""
    return location.get("status", "active") == "active" and status_of(location) in _OPEN


def with_status(location: Json, code: str) -> Json:
    return location | {"operationalStatus": {"system": STATUS, "code": code, "display": _DISPLAYS[code]}}


def nature_of(location: Json) -> str:
    """What the bed is for; empty where nobody has said it."""
    found = (each for each in location.get("extension", ()) if each.get("url") == NATURE_EXTENSION)
    return next((str(each.get("valueCode", "")) for each in found), "")


def fits(encounter: Json, location: Json) -> bool:
    """Hospital care is given in a medical bed; a bed of which nothing is said fits everybody."""
    nature = nature_of(location)
    return not nature or nature == MEDICAL or encounter.get("class", {}).get("code") not in INPATIENT


def with_histories(before: Json, after: Json, at: datetime) -> Json:
    """What the stay was until now, where its class 住院/养老 or its status has changed."""
    return with_history(before, with_history(before, after, "status", at), "class", at)
