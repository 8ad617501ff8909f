"""The home assesses her ability by GB/T 42195-2022, and the clinic recognises the level: docs/instruments.md"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from yiyang.story.elements import Calendar, Json, coding, concept, reference
from yiyang.story.institutions import HOME
from yiyang.story.month import LAST_DAY
from yiyang.story.stage import Player, Stage, resources
from yiyang.story.terms import CANONICAL, local, meta

FORM: Final = f"{CANONICAL}/Questionnaire/gbt42195"
SYSTEM: Final = f"{CANONICAL}/CodeSystem/gbt42195"
SIGNATURE: Final = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-signature"
ORDINAL: Final = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
ASSESSOR, SECOND, INFORMANT = (f"1.2.840.10065.1.12.1.{n}" for n in (1, 2, 14))
# What she does not do at her best, by linkId; and two falls within thirty days.
LESS: Final[Mapping[str, int]] = {
    "B.1.3": 2, "B.1.5": 2, "B.1.6": 3, "B.1.8": 3, "B.2.2": 3, "B.2.3": 2, "B.2.4": 1,
    "B.3.4": 3, "B.4.1": 1, "B.4.3": 2, "B.4.4": 1, "A.2.14.1": 2,
}  # fmt: skip


async def assess(stage: Stage, home: Player, patient: str, calendar: Calendar) -> None:
    """One item left open, one signature missing, then whole; and a level of the home's own that is refused."""
    stage.chapter(
        "养老院按国标评估能力，平台评分", "the home assesses her by the national standard; the platform scores"
    )
    form = resources(await home.get(f"Questionnaire?url={FORM}", "取量表 · the form"))[0]
    asked = [item for group in form["item"] for item in group["item"]]
    stage.check(len(asked) > 30, f"{form['title']}，{len(asked)} 项")  # noqa: PLR2004
    opened = response(patient, form, calendar, without="B.2.3")
    refused = await home.invoke(
        "QuestionnaireResponse/$score", "试算，平地行走漏评 · one item open", _part(opened), expect=422
    )
    stage.check("B.2.3" in refused["issue"][0]["diagnostics"], refused["issue"][0]["details"]["text"])
    written = await home.post(
        "QuestionnaireResponse", response(patient, form, calendar), "提交，一位评估员已签 · one assessor has signed"
    )
    await _effective(stage, home, written, "preliminary")
    signed = {**written, "extension": [*_signatures(patient, calendar)]}
    await home.put(signed, "第二位评估员与老人签署 · the second assessor and she sign")
    level = await _effective(stage, home, written, "final")
    own = {name: level[name] for name in ("resourceType", "status", "category", "code", "subject", "derivedFrom")}
    own |= {
        "effectiveDateTime": calendar.at(LAST_DAY, 9),
        "valueCodeableConcept": concept(local("gbt42195-level", "4", "能力完全丧失")),
    }
    await home.post("Observation", own, "自报 4 级，被拒 · a level of its own, refused", expect=422)


async def recognise(stage: Stage, clinic: Player, patient: str, calendar: Calendar) -> None:
    """Another institution takes the level while it counts, and assesses nothing twice."""
    query = f"code={SYSTEM}|final-level&status=final,amended&derived-from:missing=false&date=gt{calendar.day(1)}"
    found = resources(await clinic.get(f"Observation?patient={patient}&{query}", "互认有效等级 · a level that counts"))
    stage.check(
        len(found) == 1, f"{_display(found[0])}，有效至 {found[0]['effectivePeriod']['end']} · valid until then"
    )


async def _effective(stage: Stage, home: Player, written: Json, status: str) -> Json:
    """What follows from the response, all in this status; the final level."""
    query = f"derived-from=QuestionnaireResponse/{written['id']}"
    found = resources(await home.get(f"Observation?{query}", "各项得分与等级 · scores and levels"))
    by_code: dict[str, Any] = {one["code"]["coding"][0]["code"]: one for one in found}
    stage.check({one["status"] for one in found} == {status}, f"{len(found)} 项结果，{status}")
    final = by_code["final-level"]
    clause = final["component"][0]["valueCodeableConcept"]["text"]
    total = by_code["total"]["valueQuantity"]["value"]
    stage.check(final["valueCodeableConcept"]["coding"][0]["code"] == "2", f"{total} 分；{clause}；{_display(final)}")
    return dict(final)


def response(patient: str, form: Json, calendar: Calendar, without: str = "") -> Json:
    groups = [{"linkId": group["linkId"], "item": [*_answers(group["item"], without)]} for group in form["item"]]
    return {
        "resourceType": "QuestionnaireResponse",
        "meta": {"source": meta("", HOME.id)["source"]},
        "extension": [_signature(ASSESSOR, HOME.member("nurse"), calendar)],
        "questionnaire": f"{form['url']}|{form['version']}",
        "status": "completed",
        "subject": reference(patient),
        "authored": calendar.at(LAST_DAY, 9),
        "author": HOME.member("nurse"),
        "source": reference(patient),
        "item": groups,
    }


def _answers(items: list[Json], without: str) -> Iterator[Json]:
    """Each at its best, unless it is among the lesser; what tells of no trouble is zero."""
    for item in items:
        if item["required"] and item["linkId"] != without:
            values = {_ordinal(option): option["valueCoding"] for option in reversed(item["answerOption"])}
            best = 0 if item["linkId"].startswith("A.") else max(values)
            answer = values[LESS.get(item["linkId"], best)]
            yield {
                "linkId": item["linkId"],
                "answer": [{"valueCoding": {n: answer[n] for n in ("system", "code", "display")}}],
            }


def _ordinal(option: Json) -> int:
    return int(next(each["valueDecimal"] for each in option["extension"] if each["url"] == ORDINAL))


def _signatures(patient: str, calendar: Calendar) -> Iterator[Json]:
    yield _signature(ASSESSOR, HOME.member("nurse"), calendar)
    yield _signature(SECOND, HOME.member("caregiver"), calendar)
    yield _signature(INFORMANT, reference(patient), calendar)


def _signature(kind: str, who: Json, calendar: Calendar) -> Json:
    signed = [coding("urn:iso-astm:E1762-95:2013", kind, "Signature")]
    return {"url": SIGNATURE, "valueSignature": {"type": signed, "when": calendar.at(LAST_DAY, 9, 40), "who": who}}


def _part(resource: Json) -> Json:
    return {"name": "response", "resource": resource}


def _display(level: Json) -> str:
    return str(level["valueCodeableConcept"]["coding"][0]["display"])
