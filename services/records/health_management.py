"""The yearly health management of elders 老年人健康管理: four blocks, counted only when all are there (国家基本公共卫生服务规范 第三版).

A check-up is a Composition of the type 483.16, each block a section: http://hl7.org/fhir/R4/composition.html
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from services.fhir.outcomes import Issue
from services.fhir.terminology.shipped import shipped_system

Json = dict[str, Any]

BLOCK: Final = "https://yiyang.example/fhir/CodeSystem/check-up-block"
DOCUMENTS: Final = "https://yiyang.example/fhir/CodeSystem/ws-483"
CHECK_UP: Final = "483.16"
AGE: Final = 65
COUNTED: Final = frozenset({"final", "amended"})


class Managed(msgspec.Struct, frozen=True):
    """The check-up of a year that comes nearest to being counted; none of `done` where there is no check-up at all."""

    year: int
    composition: Json | None
    done: frozenset[str]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(block for block in blocks() if block not in self.done)

    @property
    def is_complete(self) -> bool:
        return self.composition is not None and self.composition.get("status") in COUNTED and not self.missing


def blocks() -> dict[str, str]:
    """Code → Chinese name, in their order."""
    system = shipped_system(BLOCK)
    return {code: concept.display for code, concept in system.concepts.items()} if system else {}


def is_check_up(composition: Json | None) -> bool:
    codings = (composition or {}).get("type", {}).get("coding", ())
    return any((c.get("system"), c.get("code")) == (DOCUMENTS, CHECK_UP) for c in codings)


def done_in(composition: Json) -> frozenset[str]:
    """The blocks whose section says something."""
    return frozenset(code for _, section, code in _sections(composition) if _says_something(section))


def managed(year: int, compositions: Iterable[Json]) -> Managed:
    """Of several the complete one, else the one with most blocks; the later of two that are alike."""
    own = [each for each in compositions if is_check_up(each) and str(each.get("date", "")).startswith(str(year))]
    ranked = [(Managed(year, each, done_in(each)), str(each.get("date", ""))) for each in own]
    best = max(ranked, key=lambda each: (each[0].is_complete, len(each[0].done), each[1]), default=None)
    return best[0] if best else Managed(year, None, frozenset())


def is_due(birth: str | None, year: int) -> bool:
    """Does the elder reach 65 within the year?"""
    return bool(birth) and year - int(str(birth)[:4]) >= AGE


def faults(composition: Json) -> Iterator[Issue]:
    """A block that is only excused does not count: it is left out until it is done."""
    if not is_check_up(composition) or composition.get("status") not in COUNTED:
        return
    for n, section, code in _sections(composition):
        if not _says_something(section):
            english = f"the block {code} says nothing: leave it out, or keep the check-up preliminary"
            text = f"环节“{blocks()[code]}”没有内容：未完成请勿列入，或保持为草稿 · {english}"
            yield Issue("error", "business-rule", english, text, (f"Composition.section[{n}]",))


def _sections(composition: Json) -> Iterator[tuple[int, Json, str]]:
    known = blocks()
    for n, section in enumerate(composition.get("section", ())):
        for coding in section.get("code", {}).get("coding", ()):
            if coding.get("system") == BLOCK and coding.get("code") in known:
                yield n, section, coding["code"]


def _says_something(section: Json) -> bool:
    if section.get("entry") or section.get("section"):
        return True
    return bool(section.get("text")) and "emptyReason" not in section
