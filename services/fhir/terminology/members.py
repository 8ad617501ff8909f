"""The members of a value set, all of them or one: http://hl7.org/fhir/R4/valueset.html#compositions"""

from typing import Any, Final

from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.terminology.catalog import Catalog
from services.fhir.terminology.expansions import Key, Member, of_expansion
from services.fhir.terminology.rules import listed, selected
from services.fhir.terminology.systems import Concept, System

Json = dict[str, Any]

MAX_MEMBERS: Final = 50_000
MAX_VALUE_SETS: Final = 100  # that one value set may refer to


class Members:
    """Of the value sets that one request is about; each is read once, and none may contain itself."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[str, dict[Key, Member]] = {}
        self._open: list[str] = []

    async def of(self, value_set: Json) -> dict[Key, Member]:
        """Every member once, in the order of the rules; FhirError 422 where a rule cannot be followed completely."""
        compose = value_set.get("compose")
        if compose is None:
            return of_expansion(value_set)
        found: dict[Key, Member] = {}
        for include in compose.get("include", ()):
            found |= await self._of_rule(include)
            if len(found) > MAX_MEMBERS:
                raise unprocessable("The value set is too large", code="too-costly", text="值集过大")
        for exclude in compose.get("exclude", ()):
            for key in await self._of_rule(exclude):
                found.pop(key, None)
        if compose.get("inactive") is False:
            found = {key: member for key, member in found.items() if not member.concept.is_inactive}
        return found

    async def find(self, value_set: Json, system: str, code: str) -> Member | None:
        """One code. Rules about other systems are not followed: their codes may be known to nobody here."""
        if "compose" not in value_set:
            return of_expansion(value_set).get((system, code))
        about = {name: _about(value_set["compose"].get(name, ()), system) for name in ("include", "exclude")}
        known = await self._catalog.system(system)
        concept = known.get(code) if known else None
        found = await self.of({"compose": value_set["compose"] | about})
        return found.get((system, concept.code if concept else code))

    async def _of_rule(self, rule: Json) -> dict[Key, Member]:
        """A rule's codes, cut to those that every value set which it names has too."""
        found = await self._of_system(rule) if "system" in rule else None
        for canonical in rule.get("valueSet", ()):
            others = await self._of_canonical(canonical)
            found = others if found is None else {key: member for key, member in found.items() if key in others}
        return dict(found or {})

    async def _of_canonical(self, canonical: str) -> dict[Key, Member]:
        if canonical in self._known:
            return self._known[canonical]
        if canonical in self._open:
            raise unprocessable(f"The value set {canonical} contains itself", code="processing", text="值集循环引用")
        if len(self._known) + len(self._open) > MAX_VALUE_SETS:
            raise unprocessable("The value set refers to too many others", code="too-costly", text="引用的值集过多")
        value_set = await self._catalog.value_set(canonical)
        if value_set is None:
            raise unprocessable(
                f"The value set {canonical} is not known here", code="not-found", text="未找到引用的值集"
            )
        self._open.append(canonical)
        self._known[canonical] = await self.of(value_set)
        self._open.remove(canonical)
        return self._known[canonical]

    async def _of_system(self, rule: Json) -> dict[Key, Member]:
        canonical = rule["system"] + (f"|{rule['version']}" if "version" in rule else "")
        system = await self._catalog.system(canonical)
        if "concept" in rule:
            concepts = listed(rule, system)
        elif system is None or system.resource.get("content") == "not-present":
            raise unknown_system(canonical)
        else:
            concepts = selected(rule, system)
        return {(rule["system"], c.code): _member(rule["system"], system, c) for c in concepts}


def unknown_system(canonical: str) -> FhirError:
    return unprocessable(f"The codes of {canonical} are not known here", code="not-found", text="未收录该代码系统")


def _about(rules: list[Json], system: str) -> list[Json]:
    """A rule without a system is about whatever its value sets are about."""
    return [rule for rule in rules if rule.get("system", system) == system]


def _member(url: str, system: System | None, concept: Concept) -> Member:
    return Member(url, system.version if system else None, system.language if system else None, concept)
