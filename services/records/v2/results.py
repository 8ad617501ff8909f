"""ORU^R01: each OBR a DiagnosticReport, each OBX an Observation, by the filler's number: http://hl7.org/fhir/R4/diagnosticreport.html"""

from collections import Counter
from typing import Any, Final

from services.records.v2.datatypes import numbered
from services.records.v2.faults import Place
from services.records.v2.late import is_late_result, tell
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
    known = await work.there("DiagnosticReport", name, patient, filled.places["identifier"])
    before = known[0] if known else {}
    results = await _results(group, number, patient, work)
    earlier = [each["reference"] for each in before.get("result", ())]
    report: Json = before | {
        "resourceType": "DiagnosticReport",
        "id": name,
        "identifier": [numbered("OBR", number, work.here)],
        "subject": {"reference": patient},
        "performer": [work.here.itself],
        "status": elements.pop("status", "final"),
        "result": [{"reference": each} for each in dict.fromkeys((*earlier, *results))],
    }
    if "category" in elements:
        report["category"] = [elements.pop("category")]
    report |= elements
    if not report["result"]:
        del report["result"]
    if before and is_late_result(report, before):
        tell(filled.places["identifier"], work)
        report = before | ({"result": report["result"]} if "result" in report else {})
    if report != before:
        work.replace(known, report, filled.places)


async def _results(group: list[Segment], number: str, patient: str, work: Work) -> list[str]:
    """References to the Observations; a result that comes again, corrected, is the same one."""
    seen: Counter[tuple[str, str]] = Counter()
    header = [each for each in group if each.name in ("OBR", "ORC")]
    made = {}
    for segment in group:
        if segment.name == "OBX":
            key = (segment.text(3), segment.text(4))
            seen[key] += 1
            result = _result(segment, header, work)
            name = work.own_id("Observation", number, *key, str(seen[key]))
            made[name] = (result[0] | {"id": name, "subject": {"reference": patient}}, result[1])
    known = await work.all_there("Observation", [*made], patient, Place("OBR", field=3))
    for name, (body, places) in made.items():
        before = known.get(name)
        if before is not None and is_late_result(body, before[0]):
            tell(places["code"], work)
        else:
            work.replace(before, body, places)
    return [f"Observation/{name}" for name in made]


def _result(segment: Segment, header: list[Segment], work: Work) -> tuple[Json, dict[str, Place]]:
    filled = work.filled("OBX", [segment, *header])
    elements = dict(filled.elements)
    if "referenceRange" in elements:
        elements["referenceRange"] = [elements["referenceRange"]]
    observation: Json = {
        "resourceType": "Observation",
        "category": [_category(elements["code"], work)],
        **elements,
        **measured(segment, work),
    }
    observation.setdefault("performer", [work.here.itself])
    return observation, filled.places


def _category(code: Json, work: Work) -> Json:
    table = work.here.mapping.tables["category"]
    codes = (coding.get("code", "") for coding in code.get("coding", ()))
    found = next((table[each] for each in codes if each in table), "laboratory")
    return {"coding": [{"system": _CATEGORY, "code": found}]}
