"""The 回转单 that came back for a referral up: filled in from the fulfiller's feedback, as far as its reader may read it (docs/adr/0029)."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from services.fhir.pages import words
from services.fhir.pages.document import Document
from services.fhir.pages.sheet import Fact, Part, Section
from services.referral.slip.form import BACK, BLANK, MEDICATION
from services.referral.slip.papers import Papers
from services.referral.slip.people import called, institution, phone_of, record_number, who

Json = dict[str, Any]


def returned(papers: Papers, document: Document, zone: ZoneInfo) -> Part:
    """From the fulfiller to the placer: the other way round than the slip by which the elder came."""
    note = document.composition
    author = next(iter(note.get("author", ())), None)
    number = Fact("住院病案号", "Inpatient record no.", record_number(papers, BACK), weight=2)
    return Part(
        BACK.title,
        BACK.english,
        salutation=f"致 {institution(papers, papers.task.get('requester')) or BLANK}：",
        facts=((*who(papers), number),),
        sections=tuple(_sections(document)),
        closing=(
            (
                Fact("转诊医生（签字）", "Physician, signed", called(papers, author), is_signed=True, weight=2),
                Fact("联系电话", "Phone", phone_of(papers, author, papers.task.get("owner"))),
            ),
            (
                Fact("机构", "Institution", institution(papers, papers.task.get("owner")), weight=2),
                Fact("日期", "Date", words.day(note.get("date"), zone)),
            ),
        ),
    )


def _sections(document: Document) -> Iterator[Section]:
    """What nobody has said stays a blank line."""
    for entry in (*BACK.entries, MEDICATION):
        found = [section for code in entry.codes if (section := document.section(code))]
        yield Section(entry.title, entry.english, tuple(b for each in found for b in document.blocks(each)))
