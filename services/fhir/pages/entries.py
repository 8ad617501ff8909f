"""What a section of a document refers to, each resource in one line: http://hl7.org/fhir/R4/resourcelist.html

What its author took back (`entered-in-error`) is not told.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.fhir.pages import care_lines, values, words
from services.fhir.pages.line import STATUS, Line, Resolve, joined, status
from services.fhir.pages.narrative import blocks_of
from services.fhir.pages.sheet import Paragraph

Json = dict[str, Any]

WRONG: Final = "entered-in-error"
_CRITICAL: Final = {"high": "高风险", "low": "低风险", "unable-to-assess": ""}


def is_wrong(resource: Json) -> bool:
    return WRONG in (resource.get("status"), *_codes(resource.get("verificationStatus")))


def line(resource: Json, resolve: Resolve, zone: ZoneInfo) -> Line | None:
    """None for what is not to be told; all else leaves a trace."""
    if is_wrong(resource):
        return None
    told = _LINES.get(resource.get("resourceType", ""), _other)(resource, resolve, zone)
    return told if told.name else Line(unnamed(resource), told.detail)


def unnamed(resource: Json) -> str:
    return f"〔{words.clean(resource.get('resourceType'))}〕"


def _condition(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    began = onset(resource, zone)
    return Line(words.concept(resource.get("code")), joined(f"{began}起" if began else "", *_judged(resource)))


def onset(resource: Json, zone: ZoneInfo) -> str:
    return words.when(resource.get("onsetDateTime"), zone) or words.clean(resource.get("onsetString"))


def judged(resource: Json) -> str:
    """What is out of the ordinary with a Condition or an allergy: no longer active, not confirmed."""
    return joined(*_judged(resource))


def _judged(resource: Json) -> list[str]:
    return [STATUS.get(c, "") for e in ("clinicalStatus", "verificationStatus") for c in _codes(resource.get(e))]


def _allergy(resource: Json, _: Resolve, __: ZoneInfo) -> Line:
    return Line(words.concept(resource.get("code")), joined(reactions(resource), risk(resource), *_judged(resource)))


def reactions(resource: Json) -> str:
    return joined(*(words.concepts(each.get("manifestation", ())) for each in resource.get("reaction", ())))


def risk(resource: Json) -> str:
    return _CRITICAL.get(resource.get("criticality", ""), "")


def _medication(resource: Json, resolve: Resolve, _: ZoneInfo) -> Line:
    return Line(medicine(resource, resolve), joined(dosage(resource), course(resource)))


def medicine(resource: Json, resolve: Resolve) -> str:
    """The name of what is taken, however it is recorded."""
    reference = resource.get("medicationReference")
    there = resolve(reference) or {}
    named = words.concept(resource.get("medicationCodeableConcept")) or words.concept(there.get("code"))
    return named or _display(reference)


def course(resource: Json) -> str:
    """Whether it is still taken; nothing where it is."""
    return STATUS.get(resource.get("status", ""), "")


def dosage(resource: Json) -> str:
    """One of a MedicationAdministration, several of the others."""
    given: Any = resource.get("dosage", resource.get("dosageInstruction", []))
    return joined(*map(_dosage, given if isinstance(given, list) else [given]))


def _dosage(dosage: Json) -> str:
    if text := words.clean(dosage.get("text")):
        return text
    rates = dosage.get("doseAndRate", ())
    amounts = [words.quantity(r.get("doseQuantity")) or words.span(r.get("doseRange", {})) for r in rates]
    given = words.quantity(dosage.get("dose"))
    timing = words.concept(dosage.get("timing", {}).get("code"))
    return " ".join(filter(None, (*amounts, given, timing, words.concept(dosage.get("route")))))


def _observation(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    normal = values.reference_range(resource)
    about = joined(f"参考 {normal}" if normal else "", values.effective(resource, zone), status(resource))
    result = values.result(resource, zone)
    return Line(words.concept(resource.get("code")), f"{result}（{about}）" if about and result else result or about)


def _report(resource: Json, resolve: Resolve, zone: ZoneInfo) -> Line:
    found = [r for each in resource.get("result", ()) if (r := resolve(each)) and r["resourceType"] == "Observation"]
    told = "；".join(each.text for result in found if (each := line(result, resolve, zone)))
    conclusion = words.clean(resource.get("conclusion")) or words.concepts(resource.get("conclusionCode", ()))
    at = values.effective(resource, zone)
    return Line(words.concept(resource.get("code")), joined(conclusion, told, at, status(resource)))


def _procedure(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    at = values.value(resource, zone, "performed")
    return Line(
        words.concept(resource.get("code")), joined(at, words.concept(resource.get("outcome")), status(resource))
    )


def _encounter(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    name = words.concepts(resource.get("type", ())) or words.clean(resource.get("class", {}).get("display"))
    return Line(name, words.period(resource.get("period"), zone))


def _other(resource: Json, _: Resolve, __: ZoneInfo) -> Line:
    """By its title or name, else its code, else its own narrative."""
    named = (
        _words(resource.get(name)) for name in ("title", "description", "name", "code", "type", "category", "summary")
    )
    told = "；".join(
        block.text for block in blocks_of(resource.get("text", {}).get("div")) if isinstance(block, Paragraph)
    )
    name = next(filter(None, named), "") or told
    return Line(name, joined(words.clean(resource.get("conclusion")), status(resource)))


def _words(value: Any) -> str:
    """Of a text, a concept, several of them, or the names of a person."""
    if isinstance(value, dict):
        return words.concept(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return words.concepts(value) or words.person(value)
    return words.clean(value)


_LINES: Final[Mapping[str, Callable[[Json, Resolve, ZoneInfo], Line]]] = {
    "Condition": _condition,
    "AllergyIntolerance": _allergy,
    "MedicationStatement": _medication,
    "MedicationRequest": _medication,
    "MedicationAdministration": _medication,
    "MedicationDispense": _medication,
    "Observation": _observation,
    "DiagnosticReport": _report,
    "Procedure": _procedure,
    "Encounter": _encounter,
    "AdverseEvent": care_lines.adverse_event,
    "RiskAssessment": care_lines.risk_assessment,
    "CarePlan": care_lines.care_plan,
    "EpisodeOfCare": care_lines.episode_of_care,
    "Device": care_lines.device,
    "DeviceUseStatement": care_lines.device_use,
    "Consent": care_lines.consent,
    "Immunization": care_lines.immunization,
    "Flag": care_lines.flag,
}


def _codes(concept: Any) -> list[str]:
    return [coding.get("code", "") for coding in (concept or {}).get("coding", ())]


def _display(reference: Any) -> str:
    return words.clean(reference.get("display")) if isinstance(reference, dict) else ""
