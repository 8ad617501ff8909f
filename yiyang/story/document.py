"""The referral package and the 回转单 as documents, section by section of the national slip.

http://hl7.org/fhir/R4/documents.html, sections: docs/glossary.md
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from yiyang.story import terms
from yiyang.story.elements import Json, coding, concept, identifier, narrative, reference, urn
from yiyang.story.institutions import Institution
from yiyang.story.terms import local, loinc, meta

REASON: Final = ("42349-1", "转诊原因/主要现病史")
IMPRESSION: Final = ("11450-4", "初步印象")
DIAGNOSIS: Final = ("11535-2", "诊断结果")
PAST: Final = ("11348-0", "主要既往史")
ALLERGIES: Final = ("48765-2", "过敏史")
COURSE: Final = ("8648-8", "治疗经过")
RESULTS: Final = ("30954-2", "主要检查结果")
MEDICATION: Final = ("10160-0", "用药")
DISCHARGE_MEDICATION: Final = ("10183-2", "出院用药（已核对）")
VITALS: Final = ("8716-3", "生命体征")
ABILITY: Final = ("47420-5", "功能/能力等级")
PLAN: Final = ("18776-5", "下一步治疗方案及康复建议")
CARE_NEEDS: Final = ("69730-0", "照护/饮食/管路/隔离要求")
PENDING: Final = ("pending-results", "待回报结果")

REFERRAL_NOTE: Final = ("57133-1", "转诊单")
BACK_NOTE: Final = ("18842-5", "回转单")


class Section(NamedTuple):
    """A section: words for people, references for machines; without any, it says why."""

    code: tuple[str, str]
    text: str
    entries: Sequence[str] = ()
    empty: tuple[str, str] | None = None


def composition(
    kind: tuple[str, str], patient: str, author: Institution, when: str, sections: Iterable[Section]
) -> Json:
    physician = author.member("physician")
    return {
        "resourceType": "Composition",
        "meta": meta("yiyang-referral-composition", author.id),
        "status": "final",
        "type": concept(loinc(*kind)),
        "subject": reference(patient),
        "date": when,
        "author": [physician],
        "title": kind[1],
        "attester": [{"mode": "legal", "time": when, "party": physician}],
        "custodian": author.reference,
        "section": [_section(section) for section in sections],
    }


def document(base: str, note: Json, contents: Iterable[Json], when: str) -> Json:
    """A document: the note first, then copies of what it refers to, under the addresses at which they live."""
    entries = [{"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one} for one in contents]
    return {
        "resourceType": "Bundle",
        "meta": meta("yiyang-referral-package", note["meta"]["source"].rpartition("/")[2]),
        "identifier": identifier("urn:ietf:rfc:3986", urn()),
        "type": "document",
        "timestamp": when,
        "entry": [{"fullUrl": urn(), "resource": note}, *entries],
    }


def document_reference(kind: tuple[str, str], patient: str, package: str, author: Institution, when: str) -> Json:
    """The index entry by which a package is found."""
    return {
        "resourceType": "DocumentReference",
        "meta": meta("yiyang-document-reference", author.id),
        "status": "current",
        "type": concept(loinc(*kind)),
        "subject": reference(patient),
        "date": when,
        "author": [author.reference],
        "custodian": author.reference,
        "content": [{"attachment": {"contentType": "application/fhir+json", "url": package, "title": kind[1]}}],
    }


def _section(section: Section) -> Json:
    code, title = section.code
    coded = local("referral-section", code, title) if section.code == PENDING else loinc(code, title)
    made: Json = {"title": title, "code": concept(coded), "text": narrative(section.text)}
    if section.entries:
        made["entry"] = [reference(entry) for entry in section.entries]
    elif section.empty:
        made["emptyReason"] = concept(coding(f"{terms.HL7}/list-empty-reason", *section.empty))
    return made
