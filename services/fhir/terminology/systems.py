"""A code system as a table of concepts: http://hl7.org/fhir/R4/codesystem.html"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final

import msgspec

Json = dict[str, Any]

_PARENTS: Final = frozenset({"parent", "subsumedBy"})
_RETIRED: Final = frozenset({"retired", "inactive"})


class Concept(msgspec.Struct, frozen=True):
    """One code with all that its system says of it; `parents` are those of the tree and those of its properties."""

    code: str
    display: str
    definition: str | None
    designations: tuple[Json, ...]
    properties: tuple[Json, ...]
    parents: tuple[str, ...]

    @property
    def is_abstract(self) -> bool:
        return self._is_marked("notSelectable")

    @property
    def is_inactive(self) -> bool:
        return self._is_marked("inactive") or any(v in _RETIRED for v in self.values("status"))

    def values(self, name: str) -> list[str]:
        """The values of a property, as text."""
        return [text_of(p) for p in self.properties if p["code"] == name]

    def _is_marked(self, name: str) -> bool:
        return "true" in self.values(name)


class System:
    """A CodeSystem read once; codes keep their order, which is that of an expansion."""

    def __init__(self, resource: Json) -> None:
        self.resource = resource
        self.url: str = resource.get("url", "")
        self.version: str | None = resource.get("version")
        self.language: str | None = resource.get("language")
        self.concepts: dict[str, Concept] = {c.code: c for c in _flat(resource.get("concept", ()), ())}
        self._is_folded = resource.get("caseSensitive") is False

    @property
    def name(self) -> str:
        return str(self.resource.get("title") or self.resource.get("name") or self.url)

    @property
    def is_complete(self) -> bool:
        return bool(self.resource.get("content", "complete") == "complete")

    def get(self, code: str) -> Concept | None:
        found = self.concepts.get(code)
        return self._by_folded_code.get(code.casefold()) if found is None and self._is_folded else found

    def children(self, code: str) -> list[str]:
        return self._children.get(code, [])

    def descendants(self, code: str) -> set[str]:
        """All codes below this one, itself left out."""
        found: set[str] = set()
        waiting = [code]
        while waiting:
            new = [c for c in self.children(waiting.pop()) if c not in found]
            found.update(new)
            waiting += new
        return found - {code}

    def ancestors(self, code: str) -> set[str]:
        found: set[str] = set()
        waiting = [code]
        while waiting:
            concept = self.concepts.get(waiting.pop())
            new = [p for p in concept.parents if p not in found] if concept else []
            found.update(new)
            waiting += new
        return found - {code}

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for concept in self.concepts.values():
            for parent in concept.parents:
                children.setdefault(parent, []).append(concept.code)
        return children

    @cached_property
    def _by_folded_code(self) -> dict[str, Concept]:
        return {code.casefold(): concept for code, concept in self.concepts.items()}


def text_of(element: Json) -> str:
    """The `value[x]` of a property or a part, as text."""
    value = next((v for name, v in element.items() if name.startswith("value")), "")
    if isinstance(value, dict):
        return str(value.get("code", ""))
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _flat(concepts: Iterable[Json], above: tuple[str, ...]) -> Iterator[Concept]:
    for concept in concepts:
        properties = tuple(concept.get("property", ()))
        named = (text_of(p) for p in properties if p["code"] in _PARENTS)
        yield Concept(
            code=concept["code"],
            display=str(concept.get("display") or concept["code"]),
            definition=concept.get("definition"),
            designations=tuple(concept.get("designation", ())),
            properties=properties,
            parents=tuple(dict.fromkeys((*above, *named))),
        )
        yield from _flat(concept.get("concept", ()), (concept["code"],))
