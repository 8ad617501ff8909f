"""ORU^R01: each OBR a DiagnosticReport, each OBX an Observation, by the filler's number: http://hl7.org/fhir/R4/diagnosticreport.html"""

from collections import Counter
from typing import Any, Final

from services.records.v2.datatypes import numbered
from services.records.v2.measure import measured
from services.records.v2.message import Segment
from services.records.v2.person import person
from services.records.v2.work import Work

Json = dict[str, Any]

_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_WITH: Final = frozenset({"ORC", "OBR", "OBX", "NTE"})


async def reported(work: Work) -> None:
    patient = await person(work)
    for group in groups(work):
        await _report(group, patient, work)


def groups(work: Work) -> list[list[Segment]]:
    """An ORC stands before its OBR, or there is none."""
    names = [each.name for each in work.message.segments]
    first = "ORC" if "ORC" in names and names.index("ORC") < names.index("OBR") else "OBR"
    return [*work.message.groups(first, _WITH)]


async def _report(group: list[Segment], patient: str, work: Work) -> None:
    filled = work.filled("OBR", group)
    elements = dict(filled.elements)
    number = elements.pop("identifier")
    name = work.own_id("DiagnosticReport", number)
    before = await work.there("DiagnosticReport", name, patient, filled.places["identifier"])
    results = _results(group, number, patient, work)
    known = [each["reference"] for each in (before or {}).get("result", ())]
    report: Json = (before or {}) | {
        "resourceType": "DiagnosticReport",
        "id": name,
        "identifier": [numbered("OBR", number, work.here)],
        "subject": {"reference": patient},
        "performer": [work.here.itself],
        "status": elements.pop("status", "final"),
        "result": [{"reference": each} for each in dict.fromkeys((*known, *results))],
    }
    if "category" in elements:
        report["category"] = [elements.pop("category")]
    report |= elements
    if not report["result"]:
        del report["result"]
    if report != before:
        work.put(report, filled.places)


def _results(group: list[Segment], number: str, patient: str, work: Work) -> list[str]:
    """References to the Observations; a result that comes again, corrected, is the same one."""
    seen: Counter[tuple[str, str]] = Counter()
    header = [each for each in group if each.name in ("OBR", "ORC")]
    found = []
    for segment in group:
        if segment.name == "OBX":
            key = (segment.text(3), segment.text(4))
            seen[key] += 1
            found.append(_result(segment, header, (number, *key, str(seen[key])), patient, work))
    return found


def _result(segment: Segment, header: list[Segment], key: tuple[str, ...], patient: str, work: Work) -> str:
    filled = work.filled("OBX", [segment, *header])
    elements = dict(filled.elements)
    if "referenceRange" in elements:
        elements["referenceRange"] = [elements["referenceRange"]]
    observation: Json = {
        "resourceType": "Observation",
        "id": work.own_id("Observation", *key),
        "category": [_category(elements["code"], work)],
        "subject": {"reference": patient},
        **elements,
        **measured(segment, work),
    }
    observation.setdefault("performer", [work.here.itself])
    return work.put(observation, filled.places)


def _category(code: Json, work: Work) -> Json:
    table = work.here.mapping.tables["category"]
    codes = (coding.get("code", "") for coding in code.get("coding", ()))
    found = next((table[each] for each in codes if each in table), "laboratory")
    return {"coding": [{"system": _CATEGORY, "code": found}]}
