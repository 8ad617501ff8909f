"""Invariants over many entries, written out: each gives the paths at which it is broken.

Their closures would say the same (tests/unit/test_validation_invariants.py), slower and without the place.
http://hl7.org/fhir/R4/bundle.html#invs, http://hl7.org/fhir/R4/observation.html#invs
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.fhir.fhirpath.values import key

Json = dict[str, Any]

_WITH_REQUEST: Final = frozenset({"batch", "transaction", "history"})
_WITH_RESPONSE: Final = frozenset({"batch-response", "transaction-response", "history"})


def _requests(bundle: Json) -> list[str]:
    """bdl-3"""
    return _present_exactly(bundle, "request", bundle.get("type") in _WITH_REQUEST)


def _responses(bundle: Json) -> list[str]:
    """bdl-4"""
    return _present_exactly(bundle, "response", bundle.get("type") in _WITH_RESPONSE)


def _present_exactly(bundle: Json, name: str, wanted: bool) -> list[str]:  # noqa: FBT001
    wrong = [number for number, entry in enumerate(bundle["entry"]) if (name in entry) is not wanted]
    return [f".entry[{number}].{name}" for number in wrong]


def _distinct_entries(bundle: Json) -> list[str]:
    """bdl-7"""
    if bundle.get("type") == "history":
        return []
    seen: set[tuple[str, str]] = set()
    repeated = []
    for number, entry in enumerate(bundle["entry"]):
        if "fullUrl" in entry:
            version = entry.get("resource", {}).get("meta", {}).get("versionId", "")
            place = (entry["fullUrl"], version)
            if place in seen:
                repeated.append(f".entry[{number}].fullUrl")
            seen.add(place)
    return repeated


def _component_repeats_the_code(observation: Json) -> list[str]:
    """obs-7"""
    codings = {key(coding) for coding in observation.get("code", {}).get("coding", ())}
    return [
        f".component[{number}].code"
        for number, component in enumerate(observation["component"])
        if any(key(coding) in codings for coding in component.get("code", {}).get("coding", ()))
    ]


def _groupings(definition: Json) -> list[str]:
    """ig-1"""
    known = {each.get("id") for each in definition.get("grouping", ())}
    return [
        f".resource[{number}].groupingId"
        for number, each in enumerate(definition["resource"])
        if "groupingId" in each and each["groupingId"] not in known
    ]


def _versions(guide: Json) -> list[str]:
    """ig-2"""
    known = {*guide.get("fhirVersion", ())}
    return [
        f".definition.resource[{number}].fhirVersion"
        for number, each in enumerate(guide["definition"].get("resource", ()))
        if not known.issuperset(each.get("fhirVersion", ()))
    ]


BY_HAND: Final[Mapping[tuple[str, str], Callable[[Json], list[str]]]] = {
    ("Bundle", "bdl-3"): _requests,
    ("Bundle", "bdl-4"): _responses,
    ("Bundle", "bdl-7"): _distinct_entries,
    ("ImplementationGuide", "ig-2"): _versions,
    ("ImplementationGuide.definition", "ig-1"): _groupings,
    ("Observation", "obs-7"): _component_repeats_the_code,
}
