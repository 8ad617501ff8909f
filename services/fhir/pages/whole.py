"""A whole document as a page: who it is about, who answers for it, every section: http://hl7.org/fhir/R4/documents.html#presentation"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from services.fhir.pages import narrative, words
from services.fhir.pages.document import DEEPEST, Document, reason
from services.fhir.pages.sheet import Block, Fact, Paragraph, Part, Section, Sheet
from services.fhir.pages.tables import tables

Json = dict[str, Any]

_MARKS: Final = {"preliminary": "草稿，未定稿", "amended": "", "entered-in-error": "作废"}
_NOTED: Final = {"amended": "已修订"}


def whole(document: Document, at: datetime, *, has_narratives: bool = True) -> Sheet:
    """`at` is the moment of printing. Who makes both the narratives and the entries of a document may leave the narratives out."""
    note = document.composition
    kind, status = _kind(note), note.get("status", "")
    title = words.clean(note.get("title")) or kind or "文档"
    english = " · ".join(filter(None, (kind if kind != title else "", _NOTED.get(status, ""))))
    sections = tuple(_sections(document, note.get("section", ()), has_narratives=has_narratives))
    part = Part(title, english, facts=tuple(_about(document)), sections=sections, closing=_answered(document))
    return Sheet(
        title,
        kind,
        number=words.clean(note.get("identifier", {}).get("value")) or _date(document),
        number_label="文档编号" if note.get("identifier", {}).get("value") else "日期",
        parts=(part,),
        note=f"打印时间：{words.moment(at, document.zone)}",
        mark=_MARKS.get(status, ""),
    )


def _kind(note: Json) -> str:
    """The name of its type; a bare code tells people nothing."""
    name = words.concept(note.get("type"))
    return "" if any(coding.get("code") == name for coding in note.get("type", {}).get("coding", ())) else name


def _about(document: Document) -> Iterator[tuple[Fact, ...]]:
    subject = document.composition.get("subject")
    patient = document.resolve(subject) or {}
    yield (
        Fact("姓名", "Name", words.person(patient.get("name")) or _display(subject), weight=2),
        Fact("性别", "Sex", words.GENDERS.get(patient.get("gender", ""), "")),
        Fact("出生日期", "Born", words.day(patient.get("birthDate"), document.zone), weight=2),
        Fact("年龄", "Age", words.age(patient.get("birthDate"), document.composition.get("date"))),
    )
    yield (
        Fact("住址", "Address", words.address(patient.get("address")), weight=3),
        Fact("电话", "Phone", words.phone(patient.get("telecom")), weight=2),
    )


def _sections(
    document: Document, sections: Iterable[Json], *, has_narratives: bool, depth: int = 0
) -> Iterator[Section]:
    """One after the other; a section inside of another follows it with both titles."""
    for section in sections:
        title = words.clean(section.get("title")) or words.concept(section.get("code"))
        blocks = tuple(_blocks(document, section, has_narratives=has_narratives))
        inner = section.get("section", ()) if depth < DEEPEST else ()
        if blocks or not inner:
            yield Section(title, _english(section, title), blocks)
        for each in _sections(document, inner, has_narratives=has_narratives, depth=depth + 1):
            yield Section(f"{title} › {each.title}", each.english, each.blocks)


def _blocks(document: Document, section: Json, *, has_narratives: bool) -> Iterator[Block]:
    resources, missing = document.entries(section)
    structured = [*tables(resources, document.resolve, document.zone), *map(Paragraph, missing)]
    if has_narratives or not structured:
        yield from narrative.blocks_of(section.get("text", {}).get("div"))
    yield from structured
    if text := reason(section):
        yield Paragraph(text)


def _english(section: Json, title: str) -> str:
    names = (words.clean(coding.get("display")) for coding in section.get("code", {}).get("coding", ()))
    return next((name for name in names if name.isascii() and name != title), "")


def _answered(document: Document) -> tuple[tuple[Fact, ...], ...]:
    note = document.composition
    authors = "、".join(filter(None, (_called(document, each) for each in note.get("author", ()))))
    attested = (each.get("party") for each in note.get("attester", ()))
    signed = "、".join(dict.fromkeys(filter(None, (_called(document, each) for each in attested))))
    return (
        (
            Fact("作者", "Author", authors, weight=2),
            Fact("确认", "Attested", signed, weight=2),
        ),
        (
            Fact("机构", "Custodian", _called(document, note.get("custodian")), weight=2),
            Fact("日期", "Date", _date(document), weight=2),
        ),
    )


def _date(document: Document) -> str:
    return words.when(document.composition.get("date"), document.zone)


def _called(document: Document, reference: Any) -> str:
    name = (document.resolve(reference) or {}).get("name")
    return (words.clean(name) if isinstance(name, str) else words.person(name)) or _display(reference)


def _display(reference: Any) -> str:
    return words.clean(reference.get("display")) if isinstance(reference, dict) else ""
