"""The types of documents that records publishes as resources: WS/T 500 and WS/T 483, with their value sets and their map to LOINC.

http://hl7.org/fhir/R4/terminology-module.html · docs/fhir/terminologies.md says how sure each code is.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from services.fhir.elements import CANONICAL
from services.fhir.terminology.shipped import shipped

Json = dict[str, Any]

_SYSTEMS: Final = ("urn:oid:2.16.156.10011.2.4", f"{CANONICAL}/CodeSystem/ws-483")
_KEPT: Final = ("language", "version", "name", "title", "status", "experimental", "publisher")


@cache
def document_types() -> Mapping[str, tuple[Json, ...]]:
    """By resource type."""
    systems = tuple(each for url in _SYSTEMS if (each := shipped("CodeSystem", url)))
    kinds = shipped("ValueSet", f"{CANONICAL}/ValueSet/document-type")
    loinc = shipped("ConceptMap", f"{CANONICAL}/ConceptMap/ws-483-loinc")
    return {
        "CodeSystem": systems,
        "ValueSet": (*map(_all_of, systems), *((kinds,) if kinds else ())),
        "ConceptMap": (loinc,) if loinc else (),
    }


def is_document_type(resource: Json) -> bool:
    """Is it one of those that only the platform writes?"""
    return any(each["id"] == resource.get("id") for each in document_types()[resource["resourceType"]])


def _all_of(system: Json) -> Json:
    return {
        "resourceType": "ValueSet",
        "id": system["id"],
        **{name: system[name] for name in _KEPT},
        "url": system["valueSet"],
        "compose": {"include": [{"system": system["url"]}]},
    }
