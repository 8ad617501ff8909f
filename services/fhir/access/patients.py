"""Whose a resource is: the patients whom its place in a compartment names, and all whom it refers to.

http://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from services.fhir.compartment import patient_types
from services.fhir.definitions import search_parameters

_SIGN: Final = "=Patient/"
_PATIENT: Final = re.compile(r"(?:^|/)Patient/([A-Za-z0-9.-]{1,64})(?:$|/_history/)")
# Beyond the compartment, the parameters that say whom a resource is about.
_ALSO: Final = {
    "Provenance": ("target",),
    "Schedule": ("actor",),
    "AuditEvent": ("entity",),
    "Linkage": ("item", "source"),
}
# A list of people makes nobody's record of it, and a link of persons opens neither.
_WIDEN_NOTHING: Final = {"Group": ("member",), "Patient": ("link",), "List": ("item",)}


@cache
def patient_codes(resource_type: str) -> frozenset[str]:
    """The search parameters that bind a resource of the type to patients."""
    codes = {*patient_types().get(resource_type, ()), *_ALSO.get(resource_type, ())}
    return frozenset(codes.difference(_WIDEN_NOTHING.get(resource_type, ())))


def patients_of(
    resource_type: str, resource_id: str, tokens: Iterable[str], resource: dict[str, Any]
) -> tuple[str, ...]:
    """The ids of all patients whose reach is needed to see the resource, sorted; `tokens` are those of its index."""
    if resource_type == "Patient":
        return (resource_id,)
    codes = patient_codes(resource_type)
    found = {patient for code, patient in referenced(resource_type, tokens) if code in codes}
    if resource_type == "Bundle":
        found |= _inside(resource)
    elif resource_type == "Binary":
        kind, _, patient = resource.get("securityContext", {}).get("reference", "").partition("/")
        found |= {patient} if kind == "Patient" and patient else set()
    return tuple(sorted(found))


def referenced(resource_type: str, tokens: Iterable[str]) -> list[tuple[str, str]]:
    """(parameter, patient id) for each reference to a patient of this server."""
    pairs = (token.partition(_SIGN) for token in tokens if _SIGN in token)
    return [(code, patient) for code, _, patient in pairs if patient and code in _reference_codes(resource_type)]


@cache
def _reference_codes(resource_type: str) -> frozenset[str]:
    return frozenset(p.code for p in search_parameters(resource_type).values() if p.type == "reference")


def element_of(resource_type: str, code: str) -> str:
    """The element that a reference parameter reads, for an answer that names it."""
    parameter = search_parameters(resource_type).get(code)
    first = (parameter.expression if parameter else resource_type).partition("|")[0].strip()
    return first.partition(".where(")[0].partition(" as ")[0].strip("()") or resource_type


def _inside(bundle: dict[str, Any]) -> set[str]:
    """The patients of a document or a collection: every Patient in it, and every one that it refers to."""
    found: set[str] = set()
    for entry in bundle.get("entry", ()):
        _collect(entry.get("resource", {}), found)
    return found


def _collect(node: Any, found: set[str]) -> None:
    if isinstance(node, list):
        for each in node:
            _collect(each, found)
    elif isinstance(node, dict):
        if node.get("resourceType") == "Patient" and isinstance(node.get("id"), str):
            found.add(node["id"])
        if isinstance(reference := node.get("reference"), str) and (match := _PATIENT.search(reference)):
            found.add(match[1])
        for value in node.values():
            if isinstance(value, dict | list):
                _collect(value, found)
