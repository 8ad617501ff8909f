"""R4's own code systems, value sets and concept maps, cut to what terminology operations need: http://hl7.org/fhir/R4/terminologies-systems.html

Kept are the code systems that HL7 itself gives in full, and every value set's rule. Definitions of codes are kept where FHIR defines
them; those of the v2 and v3 tables would be two thirds of the file.
"""

from collections.abc import Iterator
from typing import Any

from services.fhir.definitions.package import Package

Json = dict[str, Any]

_FHIR = "http://hl7.org/fhir/"
_HL7 = (_FHIR, "http://terminology.hl7.org/CodeSystem/")
_ABOUT = ("resourceType", "url", "version", "name", "title", "status")
_TOO_LARGE = frozenset(
    {f"{_FHIR}ValueSet/c80-doc-typecodes", f"{_FHIR}ValueSet/animal-breeds"}
)  # lists of LOINC and SNOMED
_CODE_PROPERTIES = frozenset({"notSelectable", "inactive", "status", "deprecated"})


def code_systems(package: Package) -> Iterator[tuple[str, Json]]:
    for system in package.all("CodeSystem"):
        url = str(system["url"])
        if system["content"] == "complete" and url.startswith(_HL7) and "|" not in url and "concept" in system:
            kept = _kept(system, *_ABOUT, "caseSensitive", "valueSet", "hierarchyMeaning", "content")
            yield url, kept | {"concept": [_concept(c, url.startswith(_FHIR)) for c in system["concept"]]}


def value_sets(package: Package) -> Iterator[tuple[str, Json]]:
    for value_set in package.all("ValueSet"):
        if "compose" in value_set and value_set["url"] not in _TOO_LARGE:
            kept = _kept(value_set, *_ABOUT)
            yield str(value_set["url"]), kept | {"compose": _compose(value_set["compose"])}


def concept_maps(package: Package) -> Iterator[tuple[str, Json]]:
    for concept_map in package.all("ConceptMap"):
        if "group" in concept_map:
            kept = _kept(concept_map, *_ABOUT, "sourceUri", "sourceCanonical", "targetUri", "targetCanonical")
            yield str(concept_map["url"]), kept | {"group": concept_map["group"]}


def _kept(element: Json, *names: str) -> Json:
    return {name: element[name] for name in names if name in element}


def _concept(concept: Json, is_fhirs: bool) -> Json:  # noqa: FBT001 - one walk over a tree
    kept = _kept(concept, "code", "display", *(["definition"] if is_fhirs else []))
    if found := [p for p in concept.get("property", ()) if p["code"] in _CODE_PROPERTIES]:
        kept["property"] = found
    if "concept" in concept:
        kept["concept"] = [_concept(c, is_fhirs) for c in concept["concept"]]
    return kept


def _compose(compose: Json) -> Json:
    kept = _kept(compose, "inactive")
    for name in ("include", "exclude"):
        if name in compose:
            kept[name] = [_include(each) for each in compose[name]]
    return kept


def _include(include: Json) -> Json:
    kept = _kept(include, "system", "version", "filter", "valueSet")
    if "concept" in include:
        kept["concept"] = [_kept(concept, "code", "display") for concept in include["concept"]]
    return kept
