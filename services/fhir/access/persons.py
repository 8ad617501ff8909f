"""Are these the facts of that person: exactly, as far as writing them is not a matter of taste (docs/adr/0011)."""

import unicodedata
from typing import Any

Json = dict[str, Any]


def same_person(stated: Json, known: Json) -> bool:
    """One name and the birth date are the same; spaces and the width of letters do not count in a name."""
    births = stated.get("birthDate"), known.get("birthDate")
    return births[0] is not None and births[0] == births[1] and bool(_names(stated) & _names(known))


def _names(patient: Json) -> set[str]:
    found = {
        name.get("text") or name.get("family", "") + "".join(name.get("given", ())) for name in patient.get("name", ())
    }
    return {"".join(unicodedata.normalize("NFKC", name).split()) for name in found} - {""}
