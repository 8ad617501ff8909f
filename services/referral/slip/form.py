"""The forms of the national slip, as they are printed: which sections a 转出单 and a 回转单 have, which local ones follow.

docs/adr/0029 · the sections' codes: docs/referral-workflow.md
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A section of the form, filled in from the sections of the package with these LOINC codes, one after the other."""

    title: str
    english: str
    codes: tuple[str, ...]


class Form(NamedTuple):
    """`number` are the systems of the patient's number on the form."""

    title: str
    english: str
    stub: str
    stub_english: str
    number_label: str
    number_english: str
    number: tuple[str, ...]
    moves: str
    sentence: str
    entries: tuple[Entry, ...]


_HEALTH_RECORD: Final = "urn:oid:2.16.156.10011.1.2"
_MEDICAL_RECORD: Final = "urn:oid:2.16.156.10011.1.13"
_INPATIENT: Final = "urn:oid:2.16.156.10011.1.12"
INSURED: Final = ("https://yiyang.example/fhir/sid/nhsa-psn",)
REFERRAL_NUMBER: Final = ("https://yiyang.example/fhir/sid/referral-no",)
TITLE: Final = ("双向转诊单", "Two-way referral slip")
BLANK: Final = "＿＿＿＿＿＿"

OUT: Final = Form(
    "双向转诊（转出）单", "Referral slip, the way up", "双向转诊单（存根）", "Stub",
    "档案编号", "Record no.", (_HEALTH_RECORD,), "转入", "因病情需要，需转入贵单位，请予以接诊。",
    (
        Entry("初步印象", "First impression", ("11450-4",)),
        Entry("主要现病史（转出原因）", "Present illness, reason for referral", ("42349-1",)),
        Entry("主要既往史", "Past history", ("11348-0",)),
        Entry("治疗经过", "Course of treatment", ("8648-8",)),
    ),
)  # fmt: skip
BACK: Final = Form(
    "双向转诊（回转）单", "Referral slip, the way back", "双向转诊单（存根）", "Stub",
    "病案号", "Medical record no.", (_MEDICAL_RECORD, _INPATIENT), "转回", "因病情需要，现转回贵单位，请予以接诊。",
    (
        Entry("诊断结果", "Diagnosis", ("11535-2",)),
        Entry("主要检查结果", "Main results", ("30954-2",)),
        Entry("治疗经过、下一步治疗方案及康复建议", "Treatment, further plan and rehabilitation", ("8648-8", "18776-5")),
    ),
)  # fmt: skip
FORMS: Final[Mapping[str, Form]] = {"up": OUT, "lateral": OUT, "down": BACK}

MEDICATION: Final = Entry("用药", "Medication", ("10160-0", "10183-2"))
ADDED: Final = (
    Entry("过敏史", "Allergies", ("48765-2",)),
    MEDICATION,
    Entry("生命体征", "Vital signs", ("8716-3",)),
    Entry("主要检查结果", "Results", ("30954-2",)),
    Entry("主要既往史", "Past history", ("11348-0",)),
    Entry("功能/能力等级、认知、跌倒/压疮风险", "Function, cognition, risks", ("47420-5",)),
    Entry("照护/饮食/管路/隔离要求", "Care instructions", ("69730-0",)),
)
"""Local extensions in use: printed behind the national entries where the package has them, and not as blank lines where it has not."""

CLASSES: Final[Mapping[str, str]] = {
    "AMB": "门诊", "IMP": "住院", "ACUTE": "住院", "NONAC": "住院", "SS": "住院", "EMER": "急诊", "OBSENC": "急诊留观",
    "HH": "上门", "VR": "远程",
}  # fmt: skip
ENDED: Final = frozenset({"completed", "rejected", "cancelled", "failed", "entered-in-error"})
NOT_VALID: Final = "不作为就诊凭证"
