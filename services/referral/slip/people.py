"""Who a slip names, as its reader may know them now: the elder, institutions, physicians."""

from typing import Any

from services.fhir.pages import words
from services.fhir.pages.sheet import Fact
from services.referral.slip.form import Form
from services.referral.slip.papers import Papers

Json = dict[str, Any]


def who(papers: Papers) -> tuple[Fact, ...]:
    patient = patient_of(papers)
    gender = words.GENDERS.get(patient.get("gender", ""), "")
    age = words.age(patient.get("birthDate"), papers.order.get("authoredOn"))
    return (Fact("患者姓名", "Name", name_of(papers), weight=2), Fact("性别", "Sex", gender), Fact("年龄", "Age", age))


def patient_of(papers: Papers) -> Json:
    return papers.find(papers.task.get("for")) or papers.find(papers.note.get("subject"))


def name_of(papers: Papers) -> str:
    return words.person(patient_of(papers).get("name"))


def record_number(papers: Papers, form: Form) -> str:
    stay = papers.find(papers.order.get("encounter"))
    numbers = (*patient_of(papers).get("identifier", ()), *stay.get("identifier", ()))
    return words.identifier(numbers, *form.number)


def institution(papers: Papers, reference: Any) -> str:
    return words.clean(papers.find(reference).get("name")) or _display(reference)


def called(papers: Papers, reference: Any) -> str:
    found = papers.find(reference)
    name = found.get("name")
    practised = called(papers, found["practitioner"]) if isinstance(found.get("practitioner"), dict) else ""
    return (words.clean(name) if isinstance(name, str) else words.person(name)) or practised or _display(reference)


def _display(reference: Any) -> str:
    return words.clean(reference.get("display")) if isinstance(reference, dict) else ""


def phone_of(papers: Papers, person: Any, institution: Any) -> str:
    """The person's own, else that of the institution."""
    return words.phone(papers.find(person).get("telecom")) or words.phone(papers.find(institution).get("telecom"))
