"""A document Bundle, looked into section by section: http://hl7.org/fhir/R4/documents.html

A section tells its narrative, then what it refers to as far as the narrative has not said it, then why it is empty.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.fhir.pages import narrative, words
from services.fhir.pages.entries import line
from services.fhir.pages.sheet import Block, Grid, Paragraph

Json = dict[str, Any]

MISSING: Final = "（所引用的资料未附在文档中）"
DEEPEST: Final = 8
_EMPTY: Final = {
    "nilknown": "无（已询问）",
    "notasked": "未询问或未做",
    "withheld": "不便提供",
    "unavailable": "暂无资料",
    "notstarted": "尚未采集",
    "closed": "已关闭",
}


class Document:
    """One Bundle of type document; anything else is a document without content."""

    def __init__(self, bundle: Json, zone: ZoneInfo) -> None:
        entries = bundle.get("entry", ()) if bundle.get("type") == "document" else ()
        self.resources: list[Json] = [e["resource"] for e in entries if isinstance(e.get("resource"), dict)]
        self.zone = zone
        self._at = {e["fullUrl"]: e["resource"] for e in entries if "fullUrl" in e and "resource" in e}
        self._named = {f"{r.get('resourceType')}/{r['id']}": r for r in self.resources if "id" in r}

    @property
    def composition(self) -> Json:
        first = next(iter(self.resources), {})
        return first if first.get("resourceType") == "Composition" else {}

    def resolve(self, reference: Any) -> Json | None:
        """http://hl7.org/fhir/R4/bundle.html#references"""
        text = reference.get("reference", "") if isinstance(reference, dict) else ""
        bare = text.partition("/_history/")[0]
        return self._at.get(bare) or self._named.get("/".join(bare.split("/")[-2:]))

    def first(self, resource_type: str) -> Json:
        return next((r for r in self.resources if r.get("resourceType") == resource_type), {})

    def section(self, *codes: str) -> Json | None:
        """The first section with one of these LOINC codes, also inside of others."""
        for section in self.sections():
            if any(coding.get("code") in codes for coding in section.get("code", {}).get("coding", ())):
                return section
        return None

    def sections(self) -> Iterator[Json]:
        yield from _within(self.composition.get("section", ()), 0)

    def blocks(self, section: Json, depth: int = 0) -> tuple[Block, ...]:
        """What a section says, and those inside of it say."""
        told = narrative.blocks_of(section.get("text", {}).get("div"))
        said = "\n".join(_texts(told))
        entries = [Paragraph(text) for text in self._entries(section) if text and text not in said]
        inner = [b for each in section.get("section", ()) if depth < DEEPEST for b in self._inner(each, depth + 1)]
        empty = [Paragraph(text)] if (text := reason(section)) and text not in said else []
        return (*told, *entries, *empty, *inner)

    def entries(self, section: Json) -> tuple[list[Json], list[str]]:
        """The resources that a section refers to, and what is known of those that the document does not hold."""
        references = section.get("entry", ())
        found = [self.resolve(reference) for reference in references]
        missing = [
            words.clean(r.get("display")) or MISSING for r, one in zip(references, found, strict=True) if one is None
        ]
        return [one for one in found if one is not None], missing

    def _inner(self, section: Json, depth: int) -> Iterator[Block]:
        if title := words.clean(section.get("title")) or words.concept(section.get("code")):
            yield Paragraph(f"【{title}】")
        yield from self.blocks(section, depth)

    def _entries(self, section: Json) -> Iterator[str]:
        for reference in section.get("entry", ()):
            found = self.resolve(reference)
            if found is None:
                yield words.clean(reference.get("display")) or MISSING
            elif told := line(found, self.resolve, self.zone):
                yield told.text


def _within(sections: Iterable[Json], depth: int) -> Iterator[Json]:
    for section in sections:
        yield section
        if depth < DEEPEST:
            yield from _within(section.get("section", ()), depth + 1)


def _texts(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Grid):
            yield from (cell for row in block.rows for cell in row)
        else:
            yield block.text


def reason(section: Json) -> str:
    """Why a section is empty, where that is said."""
    stated = section.get("emptyReason", {})
    codes = (coding.get("code", "") for coding in stated.get("coding", ()))
    return next((_EMPTY[code] for code in codes if code in _EMPTY), "") or words.concept(stated)
