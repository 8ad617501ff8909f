"""Required bindings of profiles, to R4's value sets and to the platform's: http://hl7.org/fhir/R4/terminologies.html#required"""

from functools import cache
from typing import Any

from services.fhir.definitions import required_systems
from services.fhir.terminology.rules import listed, selected
from services.fhir.terminology.shipped import all_codes_value_sets, shipped, shipped_system

Json = dict[str, Any]
Systems = dict[str, frozenset[str]]


@cache
def codes_of(value_set: str) -> Systems:
    """Give the codes of a shipped value set by their systems; KeyError for one that is not shipped, or not complete."""
    url = value_set.partition("|")[0]
    if system := all_codes_value_sets().get(url):
        return {system: _all(system)}
    if found := shipped("ValueSet", url):
        return _composed(found["compose"]["include"])
    return required_systems(url)


def _composed(includes: list[Json]) -> Systems:
    codes: Systems = {}
    for include in includes:
        system = include["system"]
        known = shipped_system(system)
        if "concept" in include:
            concepts = listed(include, known)
        elif known is None:
            raise KeyError(system)
        else:
            concepts = selected(include, known)
        codes[system] = codes.get(system, frozenset()) | {concept.code for concept in concepts}
    return codes


def _all(url: str) -> frozenset[str]:
    system = shipped_system(url)
    if system is None:
        raise KeyError(url)
    return frozenset(system.concepts)


def is_bound(value: Any, systems: Systems) -> bool:
    """Tell whether a code, a Coding, a Quantity or a CodeableConcept is from the value set."""
    if value.__class__ is str:
        return any(value in codes for codes in systems.values())
    codings = value.get("coding", (value,))
    return any(coding.get("code") in systems.get(coding.get("system"), ()) for coding in codings)
