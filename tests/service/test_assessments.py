"""A response is scored in its own commit: what follows from it is there with it, and changes with it (docs/instruments.md)."""

import asyncio
from typing import Any

import pytest

from services.care.scoring.golden import answers_of
from services.care.scoring.instrument import Golden, Instrument
from tests.assessments import (
    ASSESSOR,
    BOTH,
    INFORMANT,
    INSTRUMENTS,
    SECOND,
    ability,
    assessment,
    code,
    items,
    signature,
)
from tests.builders import create, known_patient, observation, transaction, urn
from tests.house import Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]
GRADED = [(each, next(g for g in each.golden if not g.faults)) for each in INSTRUMENTS.values()]


@pytest.fixture
async def elder(fhir: Fhir) -> str:
    return f"Patient/{(await fhir.created(known_patient()))['id']}"


async def derived(fhir: Fhir, response: Json, kind: str = "Observation") -> dict[str, Json]:
    """What follows from a response, by code."""
    by = "derived-from=QuestionnaireResponse/" if kind == "Observation" else "identifier="
    bundle = (await fhir.get(f"/{kind}?{by}{response['id']}&_count=100")).json()
    found = [entry["resource"] for entry in bundle.get("entry", ())]
    return {each["code"]["coding"][0]["code"]: each for each in found}


async def again(fhir: Fhir, response: Json, **changes: Any) -> Any:
    body = {name: value for name, value in (response | changes).items() if value is not None}
    return await fhir.put(f"/QuestionnaireResponse/{response['id']}", body, if_match="*")


async def test_scores_and_levels_stand_beside_the_response(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(ability(elder, {"B.3.8": 0, "A.4.1.1": 1}))
    found = await derived(fhir, response)
    assert {key: each["valueQuantity"]["value"] for key, each in found.items() if "valueQuantity" in each} == {
        "B.1": 32,
        "B.2": 15,
        "B.3": 27,
        "B.4": 15,
        "total": 89,
    }
    levels = {
        key: found[key]["valueCodeableConcept"]["coding"][0]["code"] for key in ("preliminary-level", "final-level")
    }
    assert levels == {"preliminary-level": "1", "final-level": "2"}
    final = found["final-level"]
    assert final["status"] == "final"
    assert final["subject"] == {"reference": elder}
    assert final["method"]["coding"][0]["code"] == "rule-2022-once"
    assert final["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{response['id']}"}]
    assert final["effectivePeriod"] == {"start": "2024-05-01T10:00:00+08:00", "end": "2025-04-30"}
    assert [each["valueCodeableConcept"]["coding"][0]["code"] for each in final["component"]] == ["dementia"]
    assert [each["reference"] for each in final["performer"]] == [
        "Practitioner/a",
        "Practitioner/b",
        "Organization/hospital",
    ]


@pytest.mark.parametrize(("instrument", "golden"), GRADED, ids=[each.name for each, _ in GRADED])
async def test_each_instrument_is_scored_as_its_first_vector_says(
    fhir: Fhir, elder: str, instrument: Instrument, golden: Golden
) -> None:
    response = await fhir.created(assessment(instrument.name, elder, golden.answers, BOTH, golden.rule))
    found = await derived(fhir, response)
    shown = {score.code for score in instrument.scores if score.is_shown}
    rule = instrument.rule(golden.rule)
    assert rule
    own = {result.code for result in rule.results if not result.is_of}
    assert found.keys() == shown | own
    for name in shown & golden.scores.keys():
        assert found[name]["valueQuantity"]["value"] == golden.scores[name]
    for name in own & golden.results.keys():
        assert found[name]["valueCodeableConcept"]["coding"][0]["code"] == golden.results[name]
    assert bool(rule.risk) == bool(await derived(fhir, response, "RiskAssessment"))


async def test_the_type_of_a_constitution_is_told_with_its_score(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(assessment("tcm33", elder, {"*": 1, "2": 3, "3": 3, "4": 3, "14": 2}))
    found = await derived(fhir, response)
    weak = found["qi-deficiency"]
    assert (weak["valueQuantity"]["value"], weak["component"][0]["valueCodeableConcept"]["text"]) == (11, "是")
    assert found["primary-type"]["valueCodeableConcept"]["text"] == "气虚质"


async def test_types_that_tie_are_left_to_the_physician(fhir: Fhir, elder: str) -> None:
    answers: Json = {"*": 1, "10": 5, "21": 4, "11": 5, "12": 4}
    tied = await derived(fhir, await fhir.created(assessment("tcm33", elder, answers)))
    assert tied["primary-type"]["valueCodeableConcept"] == {"text": "阳虚质、阴虚质（并列，由中医师判定）"}
    none: Json = {"*": 1, "2": 3, "5": 3, "13": 4}
    undecided = (await derived(fhir, await fhir.created(assessment("tcm33", elder, none))))["primary-type"]
    assert undecided["valueCodeableConcept"]["text"].startswith("未能判定")
    assert undecided["effectivePeriod"]["end"] == "2024-05-15"


async def test_the_rule_that_a_response_names_counts(fhir: Fhir, elder: str) -> None:
    levels = {}
    for rule in ("mzt039-2013", "wst431-2013"):
        response = await fhir.created(assessment("barthel-total", elder, {"recorded": 60}, rule=rule))
        level = (await derived(fhir, response))["level"]
        levels[level["method"]["coding"][0]["code"]] = level["valueCodeableConcept"]["coding"][0]["code"]
    assert levels == {"rule-mzt039-2013": "moderate", "rule-wst431-2013": "moderate"}
    between = assessment("barthel-total", elder, {"recorded": 61}, rule="mzt039-2013")
    assert_outcome(await fhir.post("/QuestionnaireResponse", between), 422, "business-rule", item("recorded"))
    unknown = assessment("barthel-total", elder, {"recorded": 60}, rule="1899")
    assert_outcome(
        await fhir.post("/QuestionnaireResponse", unknown), 422, "code-invalid", "QuestionnaireResponse.extension"
    )


@pytest.mark.parametrize(
    ("changes", "code", "expression"),
    [
        ({"answers": {"B.2.3": None}}, "required", "QuestionnaireResponse.repeat(item).where(linkId='B.2.3')"),
        ({"answers": {"B.2.4": "4"}}, "code-invalid", "QuestionnaireResponse.repeat(item).where(linkId='B.2.4')"),
        ({"answers": {"B.9.9": "4"}}, "not-found", "QuestionnaireResponse.repeat(item).where(linkId='B.9.9')"),
        ({"answers": {"王秀英": "4"}}, "not-found", "QuestionnaireResponse.item"),
        ({"authored": None}, "required", "QuestionnaireResponse.authored"),
        ({"authored": "2024-05"}, "required", "QuestionnaireResponse.authored"),
        ({"authored": "2124-05-01T10:00:00+08:00"}, "value", "QuestionnaireResponse.authored"),
        ({"subject": None}, "required", "QuestionnaireResponse.subject"),
        (
            {"questionnaire": "https://yiyang.example/fhir/Questionnaire/gbt42195|2013"},
            "business-rule",
            "QuestionnaireResponse.questionnaire",
        ),
    ],
)
async def test_what_cannot_be_graded_is_refused_and_nothing_is_stored(
    fhir: Fhir, elder: str, changes: Json, code: str, expression: str
) -> None:
    answer = await fhir.post("/QuestionnaireResponse", ability(elder, **changes))
    assert_outcome(answer, 422, code, expression)
    assert (await fhir.get(f"/QuestionnaireResponse?subject={elder}&_summary=count")).json()["total"] == 0
    assert (await fhir.get(f"/Observation?subject={elder}&_summary=count")).json()["total"] == 0


async def test_every_item_at_fault_is_told_at_once_in_both_languages(fhir: Fhir, elder: str) -> None:
    answer = await fhir.post("/QuestionnaireResponse", ability(elder, {"B.1.1": None, "B.1.2": None}))
    issues = assert_outcome(answer, 422, "required")["issue"]
    assert [each["diagnostics"] for each in issues] == ["B.1.1: no answer", "B.1.2: no answer"]
    assert issues[0]["details"]["text"] == "B.1.1 进食：未作答，不能评定"


async def test_a_form_that_is_no_instrument_passes_as_it_is(fhir: Fhir, elder: str) -> None:
    url = "https://yiyang.example/fhir/Questionnaire/satisfaction"
    other = await fhir.created(assessment("self-care", elder, {"*": 0}, questionnaire=url))
    assert await derived(fhir, other) == {}
    assert (await fhir.delete(f"/QuestionnaireResponse/{other['id']}")).status_code == 204


async def test_what_is_still_filled_in_has_no_level(fhir: Fhir, elder: str) -> None:
    started = await fhir.created(ability(elder, {"B": None}, status="in-progress", item=None, signed=()))
    assert await derived(fhir, started) == {}
    done = ability(elder, signed=())["item"]
    assert (await again(fhir, started, status="completed", item=done)).status_code == 200
    assert (await derived(fhir, started))["total"]["valueQuantity"]["value"] == 90
    assert (await fhir.delete(f"/QuestionnaireResponse/{started['id']}")).status_code == 422


async def test_a_level_counts_when_two_assessors_and_the_informant_have_signed(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(ability(elder, signed=()))
    signed = []
    for kind, who, status in (
        (ASSESSOR, "Practitioner/a", "preliminary"),
        (SECOND, "Practitioner/a", "preliminary"),  # one who signs twice is one
        (INFORMANT, "RelatedPerson/c", "preliminary"),
        (SECOND, "Practitioner/b", "final"),
    ):
        signed.append(signature(kind, who))
        assert (await again(fhir, response, extension=signed)).status_code == 200
        assert {each["status"] for each in (await derived(fhir, response)).values()} == {status}
    assert_outcome(
        await again(fhir, response, extension=signed[:2]), 422, "required", "QuestionnaireResponse.extension"
    )


async def test_one_who_signs_undoes_no_other_signature_unseen(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(ability(elder, signed=()))
    path = f"/QuestionnaireResponse/{response['id']}"
    first, second = (response | {"extension": [signature(kind, who)]} for kind, who in BOTH[:2])
    assert_outcome(await fhir.put(path, first), 428, "required")
    both = await asyncio.gather(*(fhir.put(path, each, if_match='W/"1"') for each in (first, second)))
    assert sorted(each.status_code for each in both) == [200, 412]
    assert (await fhir.get(path)).json()["meta"]["versionId"] == "2"


async def test_whoever_is_logged_in_signs_for_nobody_else(fhir: Fhir, elder: str) -> None:
    nurse = fhir.as_(practitioner="Practitioner/a")
    response = await nurse.created(ability(elder, signed=BOTH[:1]))
    both = [signature(*each) for each in BOTH[:2]]
    assert_outcome(await again(nurse, response, extension=both), 422, "forbidden", "QuestionnaireResponse.extension")
    assert (await again(fhir.as_(practitioner="b"), response, extension=both)).status_code == 200


async def test_an_amendment_is_scored_anew_and_signed_anew(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(ability(elder))
    before = await derived(fhir, response)
    changed = ability(elder, {"B.1": 0})["item"]
    fresh = [signature(kind, who, "2024-05-02T10:00:00+08:00") for kind, who in BOTH]
    assert_outcome(await again(fhir, response, item=changed, status="amended"), 422, "business-rule")
    assert_outcome(
        await again(fhir, response, item=changed, extension=fresh), 422, "business-rule", "QuestionnaireResponse.status"
    )
    assert_outcome(await again(fhir, response, item=changed, extension=fresh[:2], status="amended"), 422, "required")
    assert (await again(fhir, response, item=changed, extension=fresh, status="amended")).status_code == 200
    after = await derived(fhir, response)
    assert {key: each["id"] for key, each in after.items()} == {key: each["id"] for key, each in before.items()}
    assert {each["status"] for each in after.values()} == {"amended"}
    assert after["total"]["valueQuantity"]["value"] == 58
    assert after["final-level"]["meta"]["versionId"] == "2"
    assert_outcome(await again(fhir, response, item=changed, extension=fresh), 422, "business-rule")


async def test_an_update_that_changes_no_result_writes_none(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(ability(elder))
    assert (await again(fhir, response, language="zh-CN")).status_code == 200
    assert {each["meta"]["versionId"] for each in (await derived(fhir, response)).values()} == {"1"}


async def test_an_error_takes_everything_with_it_and_stays(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(assessment("morse-total", elder, {"recorded": 50}))
    assert (await again(fhir, response, status="entered-in-error")).status_code == 200
    for kind in ("Observation", "RiskAssessment", "Task"):
        found = await derived(fhir, response, kind)
        assert found
        assert {each["status"] for each in found.values()} == {"entered-in-error"}
    assert_outcome(await again(fhir, response, status="completed"), 422, "business-rule")


@pytest.mark.parametrize("change", [{"status": "in-progress"}, {"subject": {"reference": "Patient/another"}}])
async def test_a_completed_response_stays_that_assessment(fhir: Fhir, elder: str, change: Json) -> None:
    response = await fhir.created(ability(elder))
    element = next(iter(change))
    assert_outcome(await again(fhir, response, **change), 422, "business-rule", f"QuestionnaireResponse.{element}")


async def test_a_risk_follows_from_the_level_by_its_rule(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(assessment("morse-total", elder, {"recorded": 50}))
    level = (await derived(fhir, response))["level"]
    (risk,) = (await derived(fhir, response, "RiskAssessment")).values()
    assert risk["prediction"][0]["qualitativeRisk"]["coding"][0]["code"] == "high"
    assert risk["basis"][1] == {"reference": f"Observation/{level['id']}"}
    assert risk["occurrencePeriod"]["end"] == "2024-05-30"


async def test_the_next_assessment_is_a_task_until_it_is_done(fhir: Fhir, elder: str) -> None:
    first = await fhir.created(ability(elder))
    (due,) = (await derived(fhir, first, "Task")).values()
    assert (due["status"], due["restriction"]["period"]["end"]) == ("requested", "2025-04-30")
    second = await fhir.created(ability(elder, authored="2024-08-01"))
    (done,) = (await derived(fhir, first, "Task")).values()
    assert done["status"] == "completed"
    assert done["output"][0]["valueReference"] == {"reference": f"QuestionnaireResponse/{second['id']}"}
    (due,) = (await derived(fhir, second, "Task")).values()
    assert (due["status"], due["restriction"]["period"]["end"]) == ("requested", "2025-07-31")
    late = await fhir.created(ability(elder, authored="2024-06-01"))
    assert await derived(fhir, late, "Task") == {}
    other = await fhir.created(assessment("self-care", elder, {"*": 0}))
    open_tasks = (await fhir.get(f"/Task?subject={elder}&status=requested&_summary=count")).json()
    assert (open_tasks["total"], len(await derived(fhir, other, "Task"))) == (2, 1)


async def test_without_all_signatures_nothing_is_due(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(ability(elder, signed=BOTH[:1]))
    assert await derived(fhir, response, "Task") == {}


async def test_a_level_that_a_client_derives_itself_is_refused(fhir: Fhir, elder: str) -> None:
    response = await fhir.created(ability(elder))
    system, final = code("gbt42195", "final-level").split("|")
    own = observation(
        elder,
        code={"coding": [{"system": system, "code": final}]},
        derivedFrom=[{"reference": f"QuestionnaireResponse/{response['id']}"}],
    )
    assert_outcome(await fhir.post("/Observation", own), 422, "business-rule", "Observation")
    stored = (await derived(fhir, response))["final-level"]
    path = f"/Observation/{stored['id']}"
    without = {name: value for name, value in stored.items() if name != "derivedFrom"}
    assert_outcome(await fhir.put(path, without), 422, "business-rule", "Observation")
    assert_outcome(await fhir.delete(path), 422, "business-rule", "Observation")
    del own["derivedFrom"]
    assert (await fhir.post("/Observation", own)).status_code == 201  # found by its own means


async def test_a_level_that_comes_with_its_response_is_refused_whole(fhir: Fhir, elder: str) -> None:
    place, system = urn(), code("gbt42195", "").rstrip("|")
    own = observation(elder, code={"coding": [{"system": system, "code": "total"}]}, derivedFrom=[{"reference": place}])
    bundle = transaction(create(ability(elder), place), create(own))
    assert_outcome(await fhir.post("/", bundle), 422, "business-rule", "Bundle.entry[1].resource")
    assert (await fhir.get(f"/QuestionnaireResponse?subject={elder}&_summary=count")).json()["total"] == 0


async def test_a_transaction_brings_what_follows_too(fhir: Fhir) -> None:
    person = urn()
    answer = await fhir.post("/", transaction(create(known_patient(), person), create(ability(person))))
    assert answer.status_code == 200, answer.text
    place = answer.json()["entry"][1]["response"]["location"].split("/_history")[0]
    found = await derived(fhir, {"id": place.rpartition("/")[2]})
    assert found["final-level"]["valueCodeableConcept"]["coding"][0]["code"] == "0"


async def test_labels_of_the_response_are_those_of_what_follows(fhir: Fhir, elder: str) -> None:
    restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    response = await fhir.created(assessment("gds15", elder, {"*": 0}, meta={"security": [restricted]}))
    for kind in ("Observation", "RiskAssessment"):
        found = await derived(fhir, response, kind)
        assert all(each["meta"]["security"] == [restricted] for each in found.values())


async def test_valid_levels_are_found_by_what_they_are_and_how_long_they_count(fhir: Fhir, elder: str) -> None:
    await fhir.created(ability(elder))
    query = f"/Observation?patient={elder}&code={code('gbt42195', 'final-level')}&status=final,amended"
    for yesterday, total in (("2024-06-01", 1), ("2025-04-29", 1), ("2025-04-30", 0)):
        bundle = (await fhir.get(f"{query}&date=gt{yesterday}")).json()
        assert len(bundle.get("entry", ())) == total, yesterday


async def test_items_of_golden_vectors_are_read_as_they_were_written() -> None:
    instrument = INSTRUMENTS["gbt42195"]
    assert len(answers_of(instrument, instrument.golden[0])) == 35
    assert [each["linkId"] for each in items(instrument, instrument.golden[0].answers)] == [
        "A",
        "B.1",
        "B.2",
        "B.3",
        "B.4",
    ]


def item(link_id: str) -> str:
    return f"QuestionnaireResponse.repeat(item).where(linkId='{link_id}')"
