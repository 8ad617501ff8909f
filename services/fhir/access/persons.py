"""Are these the facts of that person: exactly, as far as writing them is not a matter of taste (docs/adr/0011)."""

import unicodedata
from typing import Any

from services.fhir.search.names import folded

Json = dict[str, Any]


def same_person(stated: Json, known: Json) -> bool:
    """One name and the birth date are the same; spaces and the width of letters do not count in a name."""
    births = stated.get("birthDate"), known.get("birthDate")
    return births[0] is not None and births[0] == births[1] and bool(_names(stated) & _names(known))


def contradicts(stated: Json, known: Json) -> bool:
    """Both tell a name, and none is the same however it is written; or both tell a birth date, and another one."""
    births = stated.get("birthDate") or "", known.get("birthDate") or ""
    names = _written(stated), _written(known)
    return (all(names) and names[0].isdisjoint(names[1])) or not (
        births[0].startswith(births[1]) or births[1].startswith(births[0])
    )


def _written(patient: Json) -> set[str]:
    return {folded(name) for name in _names(patient)} - {""}


def _names(patient: Json) -> set[str]:
    found = {
        name.get("text") or name.get("family", "") + "".join(name.get("given", ())) for name in patient.get("name", ())
    }
    return {"".join(unicodedata.normalize("NFKC", name).split()) for name in found} - {""}
