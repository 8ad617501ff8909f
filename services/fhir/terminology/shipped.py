"""The terminologies that come with the platform: its own and the national ones, then R4's.

The first are FHIR resources, one a file, in `definitions/terminology`; the others are facts drawn from R4's package (docs/adr/0009).
"""

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

import jiter
import msgspec

from services.fhir import definitions
from services.fhir.elements import concept
from services.fhir.terminology.systems import System

Json = dict[str, Any]
Kind = Literal["CodeSystem", "ValueSet", "ConceptMap"]

_FACTS: Final = {
    "CodeSystem": "code-systems.json",
    "ValueSet": "value-set-rules.json",
    "ConceptMap": "concept-maps.json",
}


@lru_cache(maxsize=1024)
def shipped(kind: Kind, url: str) -> Json | None:
    return _own().get((kind, url)) or _of_r4(kind, url)


@lru_cache(maxsize=128)
def shipped_system(url: str) -> System | None:
    resource = shipped("CodeSystem", url)
    return System(resource) if resource else None


def shipped_systems() -> tuple[Json, ...]:
    """The platform's own code systems and the national ones, by URL."""
    return tuple(resource for (kind, _), resource in _own().items() if kind == "CodeSystem")


@cache
def shipped_maps() -> tuple[Json, ...]:
    own = [resource for (kind, _), resource in _own().items() if kind == "ConceptMap"]
    return (*own, *(resource for url in _lines("ConceptMap") if (resource := _of_r4("ConceptMap", url))))


@cache
def all_codes_value_sets() -> dict[str, str]:
    """The value set of all codes of a system → the system: http://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.valueSet"""
    return {r["valueSet"]: url for (kind, url), r in _own().items() if kind == "CodeSystem" and "valueSet" in r}


def _of_r4(kind: Kind, url: str) -> Json | None:
    line = _lines(kind).get(url)
    resource: Json | None = msgspec.json.decode(line) if line else None
    return resource


@cache
def _own() -> dict[tuple[str, str], Json]:
    folder = files(definitions).joinpath("terminology")
    resources = [jiter.from_json(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".json")]
    return {(r["resourceType"], r["url"]): r for r in sorted(resources, key=lambda r: str(r["url"]))}


@cache
def _lines(kind: Kind) -> dict[str, bytes]:
    """Each record undecoded, by its URL: it is decoded when it is asked for."""
    lines = files(definitions).joinpath(_FACTS[kind]).read_bytes().splitlines()[2:-1]
    pairs = (line.rstrip(b",").split(b'":', 1) for line in lines)
    return {key[1:].decode(): record for key, record in pairs}


def known_concept(system: str, code: str) -> Json:
    """A CodeableConcept with the words that the shipped code system has for it."""
    found = shipped_system(system)
    return concept(system, code, found.concepts[code].display if found and code in found.concepts else None)
