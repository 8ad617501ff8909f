"""A document is as confidential as the most confidential of its parts: http://hl7.org/fhir/R4/security-labels.html#hcs"""

from collections.abc import Iterable
from typing import Any, Final

Json = dict[str, Any]

_CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_RANKS: Final = ("U", "L", "M", "N", "R", "V")


def highest(resources: Iterable[Json]) -> Json | None:
    """The Coding of the highest label among those that the resources bear; None where none has one."""
    labels = (label for each in resources for label in each.get("meta", {}).get("security", ()))
    found = {label.get("code") for label in labels if label.get("system") == _CONFIDENTIALITY}
    code = next((each for each in reversed(_RANKS) if each in found), None)
    return {"system": _CONFIDENTIALITY, "code": code} if code else None
