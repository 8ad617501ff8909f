"""An expansion, read and written: http://hl7.org/fhir/R4/valueset.html#expansion"""

from collections.abc import Iterable
from typing import Any

import msgspec

from services.fhir.terminology.languages import display_in
from services.fhir.terminology.systems import Concept

Json = dict[str, Any]
Key = tuple[str, str]  # system, code


class Member(msgspec.Struct, frozen=True):
    """One code of a value set; `language` is that of the concept's own display."""

    system: str
    version: str | None
    language: str | None
    concept: Concept


def entry(member: Member, language: str | None, designations: Iterable[Json]) -> Json:
    """One line of `expansion.contains`."""
    concept = member.concept
    line: Json = {"system": member.system}
    if member.version:
        line["version"] = member.version
    if concept.is_abstract:
        line["abstract"] = True
    if concept.is_inactive:
        line["inactive"] = True
    line |= {"code": concept.code, "display": display_in(language, member.language, concept)}
    kept = list(designations)
    return line | ({"designation": kept} if kept else {})


def of_expansion(value_set: Json) -> dict[Key, Member]:
    """The members of a value set that has no rules, only an expansion."""
    found: dict[Key, Member] = {}
    waiting = list(reversed(value_set.get("expansion", {}).get("contains", ())))
    while waiting:
        line = waiting.pop()
        waiting += reversed(line.get("contains", ()))
        if "code" in line and "system" in line:
            found[line["system"], line["code"]] = Member(line["system"], line.get("version"), None, _concept(line))
    return found


def _concept(line: Json) -> Concept:
    marks = (("notSelectable", "abstract"), ("inactive", "inactive"))
    return Concept(
        code=line["code"],
        display=str(line.get("display") or line["code"]),
        definition=None,
        designations=tuple(line.get("designation", ())),
        properties=tuple({"code": code, "valueBoolean": True} for code, name in marks if line.get(name)),
        parents=(),
    )
