"""What a concept map says of a code: http://hl7.org/fhir/R4/conceptmap.html"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from services.fhir.terminology.catalog import Catalog

Json = dict[str, Any]

DEEPEST: Final = 4  # maps that send what they do not map to another map
NO_TRANSLATION: Final = frozenset({"unmatched", "disjoint"})
# Seen from the target: http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html
_REVERSED: Final = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}


class Asked(msgspec.Struct, frozen=True):
    system: str
    code: str
    target_system: str | None = None


class Translation(msgspec.Struct, frozen=True):
    """One answer of one map; no `code` where the map says that there is none."""

    equivalence: str
    system: str | None
    code: str | None
    display: str | None
    map: str | None
    comment: str | None = None
    products: tuple[Json, ...] = ()


async def forward(maps: Sequence[Json], asked: Asked, catalog: Catalog) -> list[Translation]:
    found: list[Translation] = []
    for each in maps:
        found += await _of_map(each, asked, catalog, 0)
    return found


def backward(maps: Sequence[Json], asked: Asked) -> list[Translation]:
    """From a target to the sources that lead to it; what is not mapped at all leads nowhere."""
    return [found for each in maps for found in _into(each, asked)]


async def _of_map(concept_map: Json, asked: Asked, catalog: Catalog, depth: int) -> list[Translation]:
    found: list[Translation] = []
    for group in concept_map.get("group", ()):
        if group.get("source", asked.system) != asked.system:
            continue
        if asked.target_system and group.get("target", asked.target_system) != asked.target_system:
            continue
        elements = [e for e in group.get("element", ()) if e.get("code") == asked.code]
        found += [
            _translation(target, group, concept_map) for element in elements for target in element.get("target", ())
        ]
        if not elements and "unmapped" in group:
            found += await _unmapped(group, concept_map, asked, catalog, depth)
    return found


async def _unmapped(group: Json, concept_map: Json, asked: Asked, catalog: Catalog, depth: int) -> list[Translation]:
    rule = group["unmapped"]
    match rule["mode"]:
        case "provided":
            same = {"code": asked.code, "equivalence": "equal"}
            return [_translation(same, group, concept_map)]
        case "fixed":
            return [_translation({**rule, "equivalence": "inexact"}, group, concept_map)]
        case _:
            other = await catalog.find("ConceptMap", rule.get("url", "")) if depth < DEEPEST else None
            return await _of_map(other, asked, catalog, depth + 1) if other else []


def _into(concept_map: Json, asked: Asked) -> Iterator[Translation]:
    for group in concept_map.get("group", ()):
        if group.get("target", asked.system) != asked.system:
            continue
        if asked.target_system and group.get("source") != asked.target_system:
            continue
        for element in group.get("element", ()):
            for target in element.get("target", ()):
                if target.get("code") == asked.code and "code" in element:
                    turned = {**element, "equivalence": _REVERSED.get(target["equivalence"], target["equivalence"])}
                    yield _translation(turned, {"target": group.get("source")}, concept_map)


def _translation(target: Json, group: Json, concept_map: Json) -> Translation:
    return Translation(
        equivalence=target["equivalence"],
        system=group.get("target"),
        code=target.get("code"),
        display=target.get("display"),
        map=concept_map.get("url"),
        comment=target.get("comment"),
        products=tuple(target.get("product", ())),
    )
