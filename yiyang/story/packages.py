"""What goes into the documents of this referral: http://hl7.org/fhir/R4/documents.html"""

from collections.abc import Iterable, Sequence

from yiyang.story import document as note
from yiyang.story import stay, visit
from yiyang.story.document import Section, composition, document, document_reference
from yiyang.story.elements import Json
from yiyang.story.institutions import CLINIC, HOSPITAL, Institution

PENDING_CARE = "低盐饮食；无管路；无需隔离；需协助进食与翻身"


def what_is_known(patient: str) -> Json:
    """A batch that reads what a package is made of."""
    of_type = ("Condition", "AllergyIntolerance", "MedicationStatement", "DiagnosticReport", "CarePlan")
    urls = [patient, *(f"{kind}?patient={patient}" for kind in of_type)]
    urls += [f"Observation?patient={patient}&category={one}&_sort=-date&_count=4" for one in ("vital-signs", "survey")]
    urls.append(f"Encounter?patient={patient}&_sort=-date&_count=1")
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def upward(base: str, patient: str, impression: str, known: Sequence[Json], when: str) -> Json:
    """The 转诊单 with copies of what it refers to."""
    past = [one for one in _of(known, "Condition") if one != impression]
    sections = (
        Section(note.REASON, visit.REASON, [impression]),
        Section(note.IMPRESSION, "心力衰竭？", [impression]),
        Section(note.PAST, "高血压十余年", past),
        Section(note.ALLERGIES, "青霉素过敏（皮疹）", _of(known, "AllergyIntolerance")),
        Section(note.COURSE, visit.COURSE, _of(known, "Encounter")),
        Section(note.RESULTS, "基层未做检查", empty=("notasked", "Not Asked")),
        Section(note.MEDICATION, "苯磺酸氨氯地平", _of(known, "MedicationStatement")),
        Section(note.VITALS, "今日上门测量", _of(known, "Observation", "vital-signs")),
        Section(note.ABILITY, "中度失能", _of(known, "Observation", "survey")),
        Section(note.CARE_NEEDS, PENDING_CARE, _of(known, "Observation", "survey")),
    )
    return document(base, composition(note.REFERRAL_NOTE, patient, CLINIC, when, sections), known, when)


def backward(base: str, patient: str, diagnosis: str, known: Sequence[Json], when: str) -> Json:
    """The package of the way back."""
    return document(base, back_note(patient, diagnosis, known, when), known, when)


def back_note(patient: str, diagnosis: str, known: Sequence[Json], when: str) -> Json:
    """The 回转单: what was found, what was done, what comes next."""
    past = [one for one in _of(known, "Condition") if one != diagnosis]
    sections = (
        Section(note.REASON, "急性期治疗结束，病情稳定，转回养老机构继续照护", [diagnosis]),
        Section(note.DIAGNOSIS, "慢性心力衰竭急性加重；高血压", [diagnosis]),
        Section(note.PAST, "高血压十余年", past),
        Section(note.ALLERGIES, "青霉素过敏（皮疹）", _of(known, "AllergyIntolerance")),
        Section(note.COURSE, stay.COURSE, _of(known, "Encounter")),
        Section(note.RESULTS, stay.RESULTS, _of(known, "DiagnosticReport")),
        Section(
            note.DISCHARGE_MEDICATION, "氨氯地平继续；呋塞米、沙库巴曲缬沙坦新增", _of(known, "MedicationStatement")
        ),
        Section(note.ABILITY, "中度失能", _of(known, "Observation", "survey")),
        Section(note.PLAN, stay.PLAN, _of(known, "CarePlan")),
        Section(note.PENDING, "无待回报结果", empty=("nilknown", "Nil Known")),
        Section(note.CARE_NEEDS, PENDING_CARE, _of(known, "Observation", "survey")),
    )
    return composition(note.BACK_NOTE, patient, HOSPITAL, when, sections)


def index_of(kind: tuple[str, str], patient: str, package: str, author: Institution, when: str) -> Json:
    """The DocumentReference of a package that is there."""
    return document_reference(kind, patient, package, author, when)


def address(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _of(known: Iterable[Json], resource_type: str, category: str | None = None) -> list[str]:
    return [
        address(one)
        for one in known
        if one["resourceType"] == resource_type
        and (category is None or one["category"][0]["coding"][0]["code"] == category)
    ]
