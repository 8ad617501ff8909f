"""Where a canonical leads: to what came with the request, to what is stored, to what is shipped, in this order.

http://hl7.org/fhir/R4/references.html#canonical
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from services.fhir.outcomes import not_found
from services.fhir.search.keys import text_key
from services.fhir.store.canonicals import by_key
from services.fhir.store.rows import Stored
from services.fhir.store.store import Stores
from services.fhir.terminology.shipped import Kind, all_codes_value_sets, shipped, shipped_maps, shipped_system
from services.fhir.terminology.systems import System

Json = dict[str, Any]


class Catalog:
    """What one request can refer to; each canonical is looked for once."""

    def __init__(self, stores: Stores, given: Iterable[Json] = ()) -> None:
        self._stores = stores
        self._given = list(given)
        self._found: dict[tuple[str, str], Json | None] = {}
        self._systems: dict[str, System | None] = {}

    async def value_set(self, canonical: str) -> Json | None:
        """A value set by its URL; that of all codes of a system needs no resource of its own."""
        found = await self.find("ValueSet", canonical)
        system = all_codes_value_sets().get(_url(canonical))
        return found or (_all_codes_of(canonical, system) if system else None)

    async def system(self, canonical: str) -> System | None:
        if canonical not in self._systems:
            self._systems[canonical] = await self._system(canonical)
        return self._systems[canonical]

    async def find(self, kind: Kind, canonical: str) -> Json | None:
        key = (kind, canonical)
        if key not in self._found:
            self._found[key] = await self._find(kind, canonical)
        return self._found[key]

    async def maps_from(self, system: str) -> list[Json]:
        """Every concept map with a group whose source is this system."""
        return await self._maps("source-system", "source", system)

    async def maps_to(self, system: str) -> list[Json]:
        return await self._maps("target-system", "target", system)

    async def _maps(self, parameter: str, element: str, system: str) -> list[Json]:
        stored = [s.parsed() for s in await by_key(self._stores, "ConceptMap", text_key(parameter, system))]
        known = {r.get("url") for r in stored}
        ours = (r for r in shipped_maps() if r["url"] not in known)
        return [*stored, *(r for r in ours if any(g.get(element) == system for g in r["group"]))]

    async def _system(self, canonical: str) -> System | None:
        resource = await self.find("CodeSystem", canonical)
        if resource is None:
            return None
        ours = shipped_system(_url(canonical))
        return ours if ours is not None and ours.resource is resource else System(resource)

    async def _find(self, kind: Kind, canonical: str) -> Json | None:
        url, _, version = canonical.partition("|")
        for resource in self._given:
            if resource["resourceType"] == kind and resource.get("url") == url and _has(resource, version):
                return resource
        stored = await by_key(self._stores, kind, text_key("url", url))
        found = newest([(s, s.parsed()) for s in stored], version)
        ours = shipped(kind, url)
        return found or (ours if ours and _has(ours, version) else None)


def newest(candidates: Sequence[tuple[Stored, Json]], version: str) -> Json | None:
    """Of the version asked for, else an active one, else any; of several the highest version, then the one written last."""

    def rank(candidate: tuple[Stored, Json]) -> tuple[bool, list[tuple[int, int, str]], datetime]:
        stored, resource = candidate
        return resource.get("status") == "active", _in_order(resource.get("version", "")), stored.updated

    found = [c for c in candidates if _has(c[1], version)]
    return max(found, key=rank)[1] if found else None


def _in_order(version: str) -> list[tuple[int, int, str]]:
    """So that 10 is higher than 9, and 2.0.0 than 1.9."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.findall(r"\d{1,9}|\D+", version)]


def unknown_canonical(kind: Kind, canonical: str) -> Exception:
    return not_found(f"No {kind} {canonical} is known here", text="未找到该术语资源")


def _has(resource: Json, version: str) -> bool:
    return not version or resource.get("version") == version


def _url(canonical: str) -> str:
    return canonical.partition("|")[0]


def _all_codes_of(canonical: str, system: str) -> Json:
    resource = shipped("CodeSystem", system) or {}
    about: Json = {n: resource[n] for n in ("language", "version", "name", "title", "status") if n in resource}
    return {
        "resourceType": "ValueSet",
        "url": _url(canonical),
        **about,
        "immutable": True,
        "compose": {"include": [{"system": system}]},
    }
