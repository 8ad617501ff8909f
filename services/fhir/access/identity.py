"""Identifiers that one person alone has, under one name whatever system a sender calls them by: docs/glossary.md"""

from typing import Any, Final

from services.fhir.naming import HEALTH_CARD, ID_CARD, canonical

_STRONG: Final = frozenset({ID_CARD, HEALTH_CARD})


def identity(system: str | None, value: str | None) -> str | None:
    """The key of a strong identifier, None for any other."""
    return _key({"system": system, "value": value})


def identities_of(patient: dict[str, Any]) -> tuple[str, ...]:
    """The keys of a patient's strong identifiers that are in use, sorted."""
    given = (i for i in patient.get("identifier", ()) if i.get("use") not in ("old", "temp"))
    return tuple(sorted({key for i in given if (key := _key(i))}))


def _key(identifier: dict[str, Any]) -> str | None:
    system, value = canonical(identifier)
    return f"{system}|{value.strip().upper()}" if system in _STRONG and value and value.strip() else None
