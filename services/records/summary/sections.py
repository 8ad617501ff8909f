"""What a patient summary is made of: the sections of the International Patient Summary, and what China's elders need besides.

http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips
"""

from typing import Final, Literal

import msgspec

Kind = Literal["required", "expected", "where-known"]
Codes = frozenset[str]
"""`system|code`, or `system|` for all of a system."""

LOINC: Final = "http://loinc.org"
_OWN: Final = "https://yiyang.example/fhir/CodeSystem"
_HL7: Final = "http://terminology.hl7.org/CodeSystem"
LOCAL: Final = f"{_OWN}/summary-section"
TUBE: Final = f"{_OWN}/tube"


class Ask(msgspec.Struct, frozen=True):
    """One search: at most `count` of a type, in this order. Few searches, each walked once: a section takes its part of them.

    `is_latest`: of each status, category and code only the newest is found, so that what is measured often does not hide what is measured seldom.
    """

    type: str
    where: tuple[tuple[str, str], ...] = ()
    sort: str = "-date"
    count: int = 20
    is_latest: bool = False


class Part(msgspec.Struct, frozen=True):
    """What a section takes of a search: where `element` has `of` these codes and none `but` those, in a state that is `standing`.

    `is_latest`: of each code only the newest.
    """

    ask: Ask
    element: str = "code"
    of: Codes = frozenset()
    but: Codes = frozenset()
    category: Codes = frozenset()
    standing: frozenset[str] = frozenset()
    is_latest: bool = False


class Section(msgspec.Struct, frozen=True):
    """`required` and `expected` ones stand in every summary, and say so where nothing is known; the others only where something is."""

    code: str
    zh: str
    en: str
    kind: Kind
    parts: tuple[Part, ...]
    system: str = LOINC


def _codes(system: str, *codes: str) -> Codes:
    return frozenset(f"{system}|{code}" for code in codes or ("",))


_SEEN: Final = ("status", "final,amended,corrected,preliminary")
_VITAL_SIGNS: Final = Ask("Observation", (("category", "vital-signs"), _SEEN), count=100, is_latest=True)
_RESULTS: Final = Ask("Observation", (("category", "laboratory,imaging"), _SEEN), count=200, is_latest=True)
_OTHERS: Final = Ask(
    "Observation", (("category:not", "vital-signs,laboratory,imaging"), _SEEN), count=500, is_latest=True
)
_CONDITIONS: Final = Ask("Condition", (("verification-status:not", "entered-in-error,refuted"),), "-recorded-date", 100)
_SERVICES: Final = Ask("EpisodeOfCare", (("status", "active,onhold"),))
_CONSENTS: Final = Ask("Consent", (("status", "active"),), count=50)
_USES: Final = Ask("DeviceUseStatement", (), "_id")

_CATEGORY: Final = f"{_HL7}/observation-category"
_PAST: Final = _codes(f"{_HL7}/condition-clinical", "inactive", "remission", "resolved")
_LEVELS: Final = frozenset({f"{_OWN}/gbt42195|final-level", f"{_OWN}/ltci37|level", f"{_OWN}/self-care|level"})
_FALLS: Final = _codes(f"{_OWN}/morse-total")
_HOSPICE: Final = _codes(f"{_OWN}/service-mode", "hospice")
_DIRECTIVES: Final = _codes(f"{_HL7}/consentcategorycodes", "acd", "dnr", "hcd", "polst", "rsdid", "rsreid")
_IN_USE: Final = frozenset({"active", "on-hold", "intended"})
_ASSESSED: Final = frozenset({"final", "amended", "corrected", "preliminary"})
TUBES: Final = "tubes"
DEVICES: Final = "46264-8"

SECTIONS: Final = (
    Section("104605-1", "警示", "Alert", "where-known", (Part(Ask("Flag"), standing=frozenset({"active"})),)),
    Section("48765-2", "过敏与不耐受", "Allergies and adverse reactions", "required", (
        Part(Ask("AllergyIntolerance", (("clinical-status:not", "inactive,resolved"), ("verification-status:not", "entered-in-error,refuted")), count=50)),
    )),
    Section("11450-4", "现患疾病与问题", "Problem list", "required", (Part(_CONDITIONS, "clinicalStatus", but=_PAST),)),
    Section("10160-0", "用药", "History of Medication use", "required", (
        Part(Ask("MedicationStatement", (("status", "active,intended,on-hold,unknown"),), "-effective", 50)),
        Part(Ask("MedicationRequest", (("status", "active,on-hold"), ("intent", "order,original-order,instance-order")), "-authoredon", 50)),
    )),
    Section("care-level", "照护等级与服务关系", "Level of care and services", "expected", (
        Part(_OTHERS, of=_LEVELS, is_latest=True), Part(_SERVICES, "type"),
    ), LOCAL),
    Section("falls", "跌倒与照护风险", "Falls and risks in care", "expected", (
        Part(Ask("AdverseEvent", (("actuality", "actual"),), count=10)),
        Part(Ask("RiskAssessment", is_latest=True), standing=_ASSESSED, is_latest=True),
        Part(_OTHERS, of=_FALLS, is_latest=True),
    ), LOCAL),
    Section(TUBES, "管路", "Tubes and lines", "expected", (
        Part(Ask("Device", (("type", f"{TUBE}|"), ("status:not", "inactive,entered-in-error")), "_id")), Part(_USES, standing=_IN_USE),
    ), LOCAL),
    Section(DEVICES, "医疗器械", "Medical equipment", "where-known", (Part(_USES, standing=_IN_USE),)),
    Section("47420-5", "功能状态", "Functional status", "expected", (
        Part(_OTHERS, but=_LEVELS | _FALLS | _codes(f"{_OWN}/tcm33"), category=_codes(_CATEGORY, "survey", "functional-status"), is_latest=True),
    )),
    Section("8716-3", "生命体征", "Vital signs", "expected", (Part(_VITAL_SIGNS, is_latest=True),)),
    Section("30954-2", "检查检验结果", "Relevant diagnostic tests and laboratory data", "expected", (
        Part(_RESULTS, is_latest=True),
        Part(Ask("DiagnosticReport", (("status", "final,amended,corrected,appended,preliminary,partial"),), count=10)),
    )),
    Section("47519-4", "手术与操作", "History of Procedures", "expected", (
        Part(Ask("Procedure", (("status", "completed,in-progress"), ("code:not", f"{_OWN}/care-item|")))),
    )),
    Section("11369-6", "预防接种", "History of Immunization", "expected", (Part(Ask("Immunization", (("status", "completed"),))),)),
    Section("11348-0", "既往史", "History of Past illness", "where-known", (Part(_CONDITIONS, "clinicalStatus", of=_PAST),)),
    Section("29762-2", "生活方式", "Social history", "where-known", (
        Part(_OTHERS, category=_codes(_CATEGORY, "social-history"), is_latest=True),
    )),
    Section("18776-5", "照护计划", "Plan of care", "expected", (Part(Ask("CarePlan", (("status", "active,on-hold"),), count=10)),)),
    Section("42348-3", "预立医疗意愿与安宁疗护", "Advance directives and hospice care", "expected", (
        Part(_CONSENTS, "scope", of=_codes(f"{_HL7}/consentscope", "adr")),
        Part(_CONSENTS, "category", of=_DIRECTIVES),
        Part(_SERVICES, "type", of=_HOSPICE),
    )),
)  # fmt: skip

ASKS: Final = tuple(dict.fromkeys(part.ask for section in SECTIONS for part in section.parts))
