"""A search over resources in memory: http://hl7.org/fhir/R4/search.html"""

from collections.abc import Iterable
from typing import Any, Final

from tests.oracle.compare import COMPARE, codings, folded, name_parts, spans
from tests.oracle.elements import COMPOSITES, PARAMETERS, Parameter, local

Json = dict[str, Any]

_REVERSED: Final = frozenset({"not"})


class World:
    """All resources that there are."""

    def __init__(self, resources: Iterable[Json]) -> None:
        self.resources = [*resources]

    def of(self, kind: str) -> list[Json]:
        return [r for r in self.resources if r["resourceType"] == kind]

    def search(self, kind: str, items: Iterable[tuple[str, str]]) -> list[Json]:
        """Every item must hold."""
        asked = [*items]
        return [r for r in self.of(kind) if all(self.holds(r, name, text) for name, text in asked)]

    def holds(self, resource: Json, name: str, text: str) -> bool:
        if name.startswith("_has:"):
            return self._is_referred_to(resource, name, text)
        if "." in name:
            return self._leads_to(resource, name, text)
        code, _, modifier = name.partition(":")
        if code in COMPOSITES:
            return any(self._together(resource, code, each) for each in text.split(","))
        if code == "_id":
            return (resource["id"] in text.split(",")) is (modifier != "not")
        return self._matches(resource, PARAMETERS[resource["resourceType"]][code], modifier, text)

    def _matches(self, resource: Json, parameter: Parameter, modifier: str, text: str) -> bool:
        values = parameter.values(resource)
        if modifier == "missing":
            return (not values) is (text == "true")
        asked = text.split(",")
        if modifier in ("above", "below") and parameter.kind == "reference":
            asked = [name for each in asked for name in self._hierarchy(each, up=modifier == "above")]
        if parameter.kind == "reference" and modifier != "identifier":
            types = (modifier,) if modifier in parameter.targets else parameter.targets
            asked = [name for each in asked for name in ([each] if "/" in each else [f"{t}/{each}" for t in types])]
        compare = COMPARE[parameter.kind]
        found = any(compare(value, each, modifier) for value in values for each in asked)
        return not found if modifier in _REVERSED else found

    def _together(self, resource: Json, code: str, text: str) -> bool:
        elements, parts = COMPOSITES[code]
        asked = text.split("$")
        return any(
            all(
                any(COMPARE[part.kind](value, one, "") for value in part.values(element))
                for part, one in zip(parts, asked, strict=True)
            )
            for element in elements(resource)
        )

    def _leads_to(self, resource: Json, name: str, text: str) -> bool:
        """http://hl7.org/fhir/R4/search.html#chaining"""
        head, _, rest = name.partition(".")
        code, _, target = head.partition(":")
        for value in PARAMETERS[resource["resourceType"]][code].values(resource):
            other = self._named(value.get("reference", ""), resource)
            kind = other["resourceType"] if other else ""
            if other and (not target or kind == target) and _knows(kind, rest) and self.holds(other, rest, text):
                return True
        return False

    def _named(self, reference: str, resource: Json) -> Json | None:
        """What a reference means: a resource, or one inside this one."""
        kind, _, resource_id = reference.partition("/")
        return local(reference, resource) or next((r for r in self.of(kind) if r["id"] == resource_id), None)

    def _hierarchy(self, reference: str, *, up: bool) -> set[str]:
        """An organization and those that it is part of, or that are part of it."""
        found, waiting = {reference}, [reference]
        pairs = [(f"Organization/{o['id']}", o.get("partOf", {}).get("reference")) for o in self.of("Organization")]
        while waiting:
            each = waiting.pop()
            related = (
                [parent for part, parent in pairs if part == each]
                if up
                else [part for part, parent in pairs if parent == each]
            )
            waiting += [r for r in related if r and r not in found]
            found |= {r for r in related if r}
        return found

    def _is_referred_to(self, resource: Json, name: str, text: str) -> bool:
        """http://hl7.org/fhir/R4/search.html#has"""
        _, source, code, rest = name.split(":", 3)
        own = f"{resource['resourceType']}/{resource['id']}"
        parameter = PARAMETERS[source][code]
        return any(
            any(value.get("reference") == own for value in parameter.values(other)) and self.holds(other, rest, text)
            for other in self.of(source)
        )


def _knows(kind: str, name: str) -> bool:
    """Of the types that a reference can lead to, those that have the rest of a chain."""
    if name.startswith("_has:"):
        return True
    code = name.partition(".")[0].partition(":")[0]
    return code == "_id" or code in PARAMETERS.get(kind, {})


def sort_key(resource: Json, code: str, *, descending: bool) -> Any:
    """The least of the values, or the greatest when they descend; None sorts last: http://hl7.org/fhir/R4/search.html#sort"""
    parameter = PARAMETERS[resource["resourceType"]][code]
    keys = [key for value in parameter.values(resource) for key in _keys(parameter.kind, value)]
    if not keys:
        return None
    return max(keys) if descending else min(keys)


def _keys(kind: str, value: Any) -> list[Any]:
    match kind:
        case "string":
            return [folded(value)]
        case "name":
            return [*map(folded, name_parts(value))]
        case "date":
            return [spans(value)[0]]
        case "token":
            return [code for _, code in codings(value) if code]
        case "reference":
            return [value["reference"]] if "reference" in value else []
    return [value]
