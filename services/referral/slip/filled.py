"""The slip filled in: pure, from what its reader may read. What nobody has said stays a blank line: docs/adr/0029"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.fhir.pages import words
from services.fhir.pages.sheet import Block, Fact, Part, Section, Sheet
from services.referral.codes import direction_of, outputs
from services.referral.slip.form import (
    ADDED,
    BACK,
    BLANK,
    CLASSES,
    ENDED,
    FORMS,
    INSURED,
    NOT_VALID,
    OUT,
    REFERRAL_NUMBER,
    TITLE,
    Entry,
    Form,
)
from services.referral.slip.papers import Papers
from services.referral.slip.people import called, institution, name_of, patient_of, phone_of, record_number, who
from services.referral.slip.returned import returned

Json = dict[str, Any]


def slip(papers: Papers, url: str, zone: ZoneInfo, at: datetime) -> Sheet:
    """`url` is the address of the Task, `at` the moment at which it is printed."""
    form = FORMS.get(direction_of(papers.order) or "", OUT)
    status = papers.task.get("status", "")
    state = words.concept(papers.task.get("businessStatus")) or status
    return Sheet(
        *TITLE,
        number=_number(papers.order),
        number_label="转诊单号",
        parts=(_stub(papers, form, zone), _main(papers, form, zone), *_returned(papers, zone)),
        note=f"状态：{state}　打印时间：{words.moment(at, zone)}",
        url=url,
        mark=NOT_VALID if status in ENDED or status == "draft" else "",
    )


def _returned(papers: Papers, zone: ZoneInfo) -> Iterator[Part]:
    if papers.answer is not None:
        yield returned(papers, papers.answer, zone)


def _number(order: Json) -> str:
    first: Json = next(iter(order.get("identifier", ())), {})
    return words.identifier(order.get("identifier"), *REFERRAL_NUMBER) or words.clean(first.get("value"))


def _stub(papers: Papers, form: Form, zone: ZoneInfo) -> Part:
    patient = patient_of(papers)
    return Part(
        form.stub,
        form.stub_english,
        facts=(
            (*who(papers), Fact(form.number_label, form.number_english, record_number(papers, form), weight=2)),
            (
                Fact("家庭住址", "Address", words.address(patient.get("address")), weight=3),
                Fact("联系电话", "Phone", words.phone(patient.get("telecom")), weight=2),
            ),
        ),
        sentence=_sentence(papers, form, zone),
        closing=((_signature(papers), Fact("日期", "Date", words.day(papers.order.get("authoredOn"), zone))),),
    )


def _main(papers: Papers, form: Form, zone: ZoneInfo) -> Part:
    record = [Fact("住院病案号", "Inpatient record no.", record_number(papers, form), weight=2)] if form is BACK else []
    return Part(
        form.title,
        form.english,
        salutation=f"致 {institution(papers, papers.task.get('owner')) or BLANK}：",
        facts=((*who(papers), *record), _local(papers)),
        sentence=f"现有患者 {name_of(papers) or BLANK} {form.sentence}",
        sections=(*_sections(papers, form.entries, is_national=True), *_sections(papers, _more(form))),
        closing=(
            (
                _signature(papers),
                Fact("联系电话", "Phone", phone_of(papers, _physician(papers), papers.task.get("requester"))),
            ),
            (
                Fact("机构", "Institution", institution(papers, papers.task.get("requester")), weight=2),
                Fact("日期", "Date", _signed_on(papers, zone)),
            ),
        ),
    )


def _local(papers: Papers) -> tuple[Fact, ...]:
    """What local slips add to the line."""
    kind = papers.find(papers.order.get("encounter")).get("class", {})
    visit = CLASSES.get(kind.get("code", ""), words.clean(kind.get("display")))
    inputs = (each.get("valueReference", {}).get("reference", "") for each in papers.task.get("input", ()))
    agreed = "已附" if any("Consent/" in reference for reference in inputs) else ""
    return (
        Fact("医保号", "Insurance no.", words.identifier(patient_of(papers).get("identifier"), *INSURED), weight=2),
        Fact("门诊/住院/急诊", "Visit", visit, weight=2),
        Fact("接收科室", "Department", _receiver(papers, "department"), weight=2),
        Fact("知情同意书", "Consent", agreed, weight=2),
    )


def _sentence(papers: Papers, form: Form, zone: ZoneInfo) -> str:
    """于…年…月…日因病情需要，转入…单位…科室…接诊医生。"""
    day = words.day(papers.order.get("authoredOn"), zone) or f"{BLANK}年＿＿月＿＿日"
    place = institution(papers, papers.task.get("owner")) or BLANK
    department, physician = _receiver(papers, "department") or BLANK, _receiver(papers, "physician") or BLANK
    return f"于 {day} 因病情需要，{form.moves} {place} 单位 {department} 科室 {physician} 接诊医生。"


def _sections(papers: Papers, entries: Iterable[Entry], *, is_national: bool = False) -> Iterator[Section]:
    for entry in entries:
        blocks = _blocks(papers, entry)
        if blocks or is_national:
            yield Section(entry.title, entry.english, blocks)


def _more(form: Form) -> Iterator[Entry]:
    printed = {code for entry in form.entries for code in entry.codes}
    return (entry for entry in ADDED if not printed.intersection(entry.codes))


def _blocks(papers: Papers, entry: Entry) -> tuple[Block, ...]:
    """What was sent last counts: a document that came later answers for what it has."""
    return tuple(block for code in entry.codes for block in _section(papers, code))


def _section(papers: Papers, code: str) -> tuple[Block, ...]:
    for document in reversed(papers.package):
        if section := document.section(code):
            return document.blocks(section)
    return ()


def _receiver(papers: Papers, code: str) -> str:
    """Who the fulfiller says will receive the elder, once it has accepted; before, what was asked for."""
    told = outputs(papers.task, code)
    asked = papers.order.get("performer", ()) if code == "department" else ()
    departments = (each for each in asked if papers.find(each).get("partOf"))
    return next(filter(None, (called(papers, each) for each in (*told[::-1], *departments))), "")


def _signature(papers: Papers) -> Fact:
    """The name of who answers for the package; the pen finds room behind it."""
    return Fact("转诊医生（签字）", "Physician, signed", called(papers, _physician(papers)), is_signed=True, weight=2)


def _physician(papers: Papers) -> Any:
    attested = (a.get("party") for a in papers.note.get("attester", ()) if a.get("mode") in ("legal", "professional"))
    return next((r for r in (*attested, *papers.note.get("author", ()), papers.order.get("requester")) if r), None)


def _signed_on(papers: Papers, zone: ZoneInfo) -> str:
    attested = (each.get("time") for each in papers.note.get("attester", ()))
    times = (*attested, papers.note.get("date"), papers.order.get("authoredOn"))
    return next((words.day(text, zone) for text in times if text), "")
