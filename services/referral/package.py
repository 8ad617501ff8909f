"""The referral package: which sections of its Composition each direction must have, after the national slip 双向转诊单.

http://hl7.org/fhir/R4/documents.html · docs/referral-workflow.md
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from services.fhir.access.grants import instant_of
from services.fhir.elements import codes_in, reference_in
from services.fhir.outcomes import Issue
from services.referral.codes import LOINC, SECTION

Json = dict[str, Any]
Need = Literal["M", "S", "-"]

EMPTY_REASONS: Final = frozenset({"nilknown", "notasked", "withheld", "unavailable"})
NURSING_HOME: Final = "nursing-home"
VITALS: Final = "8716-3"
OLDEST_VITALS: Final[Mapping[bool, timedelta]] = {False: timedelta(hours=24), True: timedelta(hours=1)}
"""By whether it is stat."""


class Section(NamedTuple):
    """One section: any of its codes; who must send it. `summary` is what a stat referral sends at once."""

    codes: tuple[str, ...]
    zh: str
    en: str
    up: Need
    down: Need
    from_home: Need = "-"
    summary: bool = False
    system: str = LOINC

    def need(self, direction: str, sender: str) -> Need:
        if direction == "down":
            return self.down
        return "M" if self.from_home == "M" and sender == NURSING_HOME else self.up


SECTIONS: Final = (
    #       LOINC                     Chinese                       English                             up   down
    Section(("42349-1",),             "转诊原因/主要现病史",        "reason for referral",              "M", "M", summary=True),
    Section(("11450-4", "11535-2"),   "初步印象/诊断结果",          "impression or diagnosis",          "M", "M", summary=True),
    Section(("11348-0",),             "主要既往史",                 "past history",                     "M", "S"),
    Section(("48765-2",),             "过敏史",                     "allergies",                        "M", "M", summary=True),
    Section(("8648-8",),              "治疗经过",                   "course of treatment",              "M", "M"),
    Section(("30954-2",),             "主要检查结果",               "results",                          "S", "M"),
    Section(("10160-0", "10183-2"),   "用药",                       "medication, reconciled on the way back", "M", "M"),
    Section((VITALS,),                "生命体征",                   "vital signs",                      "M", "S", summary=True),
    Section(("47420-5",),             "功能/能力等级、认知、跌倒/压疮风险", "function, cognition, risks", "S", "M", from_home="M"),
    Section(("18776-5",),             "下一步治疗方案及康复建议",   "plan of treatment",                "-", "M"),
    Section(("69730-0",),             "照护/饮食/管路/隔离要求",    "care instructions",                "S", "M"),
)  # fmt: skip
FEEDBACK: Final = (
    Section(("11535-2",), "诊断结果", "diagnosis", "M", "M"),
    Section(("30954-2",), "主要检查结果", "results", "M", "M"),
    Section(("8648-8",), "治疗经过", "course of treatment", "M", "M"),
    Section(("18776-5",), "下一步治疗方案及康复建议", "plan of treatment", "M", "M"),
    Section(("10183-2",), "出院用药(已核对)", "medication reconciled at discharge", "M", "M"),
    Section(("pending-results",), "待回报结果", "pending results", "M", "M", system=SECTION),
)
"""What the 回转单 or 出院小结 of an upward referral must say."""


class Sent(NamedTuple):
    """How a package is sent: what it must have depends on it."""

    direction: str
    sender: str
    is_stat: bool
    at: datetime
    may_follow: bool = False
    """The rest may follow within 24 hours: a stat referral, or one after the event."""


def missing(bundle: Json, patient: str, sent: Sent) -> tuple[Issue, ...]:
    """Every fault of a package, each with its FHIRPath; none where it is complete as far as it must be now."""
    note = _composition(bundle)
    if note is None:
        return (
            _issue("Bundle.entry[0].resource", "a package is a document with its Composition first", "资料包须为文档"),
        )
    faults = [*_signed(note, patient), *_sections(note, sent)]
    if not faults:
        faults += _vitals(bundle, note, sent)
    return tuple(faults)


def feedback_missing(note: Json) -> tuple[Issue, ...]:
    """What a 回转单 lacks."""
    return tuple(_lacking(section, "Composition") for section in FEEDBACK if not _is_there(section, note))


def medication_lines(bundle: Json) -> tuple[str, ...]:
    """What the section of medication of a package refers to: each has to be answered by who takes over."""
    note = _composition(bundle) or {}
    found = _found(next(s for s in SECTIONS if "10183-2" in s.codes), note)
    return tuple(name for section in found for entry in _entries(section) if (name := reference_in(entry)))


def _composition(bundle: Json) -> Json | None:
    entry: Json = next(iter(bundle.get("entry", ())), {})
    first: Json = entry.get("resource", {})
    return first if bundle.get("type") == "document" and first.get("resourceType") == "Composition" else None


def _signed(note: Json, patient: str) -> Iterator[Issue]:
    place = "Bundle.entry[0].resource"
    if reference_in(note.get("subject")) != patient:
        yield _issue(f"{place}.subject", "the package is about another patient", "资料包的患者与转诊不一致")
    if not any(each.get("party") for each in note.get("attester", ())):
        yield _issue(f"{place}.attester", "the referring physician's signature is missing", "缺少转诊医生签名")


def _sections(note: Json, sent: Sent) -> Iterator[Issue]:
    for section in SECTIONS:
        must = section.need(sent.direction, sent.sender) == "M" and (section.summary or not sent.may_follow)
        if must and not _is_there(section, note):
            yield _lacking(section, "Bundle.entry[0].resource")


def _lacking(section: Section, place: str) -> Issue:
    code = " or ".join(f"code='{each}'" for each in section.codes)
    where = f"{place}.section.where(code.coding.where({code}).exists())"
    return _issue(where, f"the section {section.en} has neither entries nor emptyReason", f"缺少章节：{section.zh}")


def _is_there(section: Section, note: Json) -> bool:
    return any([*_entries(found)] or _is_excused(found) for found in _found(section, note))


def _found(section: Section, note: Json) -> list[Json]:
    return [s for s in note.get("section", ()) if {*codes_in(s.get("code"), section.system)} & {*section.codes}]


def _entries(section: Json) -> Iterator[Json]:
    yield from section.get("entry", ())
    for inner in section.get("section", ()):
        yield from _entries(inner)


def _is_excused(section: Json) -> bool:
    codings = section.get("emptyReason", {}).get("coding", ())
    return any(coding.get("code") in EMPTY_REASONS for coding in codings)


def _vitals(bundle: Json, note: Json, sent: Sent) -> Iterator[Issue]:
    """http://hl7.org/fhir/R4/documents.html#content: what a section names is in the document."""
    section = next(s for s in SECTIONS if VITALS in s.codes)
    if section.need(sent.direction, sent.sender) != "M":
        return
    inside = {f"{r['resourceType']}/{r.get('id')}": r for r in _resources(bundle)}
    inside |= {e["fullUrl"]: e["resource"] for e in bundle.get("entry", ()) if "fullUrl" in e and "resource" in e}
    oldest = sent.at - OLDEST_VITALS[sent.is_stat]
    for place, found in enumerate(note.get("section", ())):
        if found not in _found(section, note) or not [*_entries(found)]:
            continue
        named = [inside.get(reference_in(e)) or inside.get(e.get("reference", "")) for e in _entries(found)]
        if not any(_taken(each) >= oldest for each in named if each):
            hours = int(OLDEST_VITALS[sent.is_stat].total_seconds() // 3600)
            yield _issue(
                f"Bundle.entry[0].resource.section[{place}].entry",
                f"no vital sign in the document is of the last {hours} h",
                f"生命体征须为 {hours} 小时内所测",
            )


def _resources(bundle: Json) -> Iterator[Json]:
    return (e["resource"] for e in bundle.get("entry", ()) if isinstance(e.get("resource"), dict))


def _taken(observation: Json) -> datetime:
    period = observation.get("effectivePeriod", {})
    texts = (observation.get("effectiveDateTime"), observation.get("effectiveInstant"), period.get("end"))
    return next((at for text in texts if (at := instant_of(text))), datetime.min.replace(tzinfo=UTC))


def _issue(expression: str, diagnostics: str, text: str) -> Issue:
    return Issue("error", "business-rule", diagnostics, f"{text} · {diagnostics}", (expression,))
