"""What stands in a summary of all that was found: in each section, in its order, what counts and what is newest of its kind."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.fhir.access.grants import name_in
from services.fhir.pages.entries import is_wrong
from services.records.summary.sections import DEVICES, SECTIONS, TUBE, TUBES, Ask, Codes, Part, Section

Json = dict[str, Any]
Resolve = Callable[[Any], Json | None]


class Filled(msgspec.Struct, frozen=True):
    """A section with the resources that it tells, each once; `is_withheld`: the reader's scopes do not reach."""

    section: Section
    resources: tuple[Json, ...]
    is_withheld: bool = False

    @property
    def is_told(self) -> bool:
        return bool(self.resources) or self.section.kind != "where-known"


def filled(found: Mapping[Ask, Sequence[Json]], resolve: Resolve) -> tuple[Filled, ...]:
    """`found` has no searches that the reader's scopes do not cover."""
    return tuple(each for section in SECTIONS if (each := _filled(section, found, resolve)).is_told)


def _filled(section: Section, found: Mapping[Ask, Sequence[Json]], resolve: Resolve) -> Filled:
    told = {
        f"{each['resourceType']}/{each['id']}": each
        for part in section.parts
        for each in taken(part, found.get(part.ask, ()))
        if _belongs(each, section, resolve)
    }
    is_withheld = not told and any(part.ask not in found for part in section.parts)
    return Filled(section, tuple(_without_repeats(told)), is_withheld)


def taken(part: Part, resources: Iterable[Json]) -> Iterator[Json]:
    """Its part of what was found; where only the newest of each code is told, they come newest first."""
    seen: set[str] = set()
    for resource in resources:
        if not _is_taken(part, resource):
            continue
        if part.is_latest:
            code = _code(resource)
            if code in seen:
                continue
            seen.add(code)
        yield resource


def _is_taken(part: Part, resource: Json) -> bool:
    if is_wrong(resource) or (part.standing and resource.get("status") not in part.standing):
        return False
    if part.category and not _has(resource.get("category"), part.category):
        return False
    codes = resource.get(part.element)
    return (not part.of or _has(codes, part.of)) and not (part.but and _has(codes, part.but))


def _has(concepts: Any, codes: Codes) -> bool:
    several = concepts if isinstance(concepts, list) else [concepts] if concepts else []
    codings = [(c.get("system", ""), c.get("code", "")) for each in several for c in each.get("coding", ())]
    return any(f"{system}|{code}" in codes or f"{system}|" in codes for system, code in codings)


def _code(resource: Json) -> str:
    concept = resource.get("code", {})
    coding: Json = next(iter(concept.get("coding", ())), {})
    return f"{coding.get('system', '')}|{coding['code']}" if "code" in coding else str(concept.get("text", ""))


def _belongs(resource: Json, section: Section, resolve: Resolve) -> bool:
    """A use of a tube is told with the tubes, all other uses with the devices."""
    if resource["resourceType"] != "DeviceUseStatement":
        return True
    return _is_tube(resolve(resource.get("device")) or {}) == (section.code == TUBES) and section.code in (
        TUBES,
        DEVICES,
    )


def _is_tube(device: Json) -> bool:
    return any(coding.get("system") == TUBE for coding in device.get("type", {}).get("coding", ()))


def _without_repeats(told: Mapping[str, Json]) -> Iterator[Json]:
    """A tube is told by its use, where there is one."""
    used = {name_in(each.get("device")) for each in told.values() if each["resourceType"] == "DeviceUseStatement"}
    yield from (each for name, each in told.items() if name not in used)
