"""QuestionnaireResponse/$score says what would come of a response, and stores nothing (docs/instruments.md)."""

from typing import Any

from tests.assessments import BOTH, ability, assessment
from tests.builders import known_patient, questionnaire_response
from tests.house import Fhir, Response
from tests.matchers import assert_outcome

Json = dict[str, Any]
PATH = "/QuestionnaireResponse/$score"


def given(response: Json, rule: str = "") -> Json:
    parts: list[Json] = [{"name": "response", "resource": response}]
    return {
        "resourceType": "Parameters",
        "parameter": parts + ([{"name": "rule", "valueCode": rule}] if rule else []),
    }


def told(answer: Response, name: str) -> Json:
    """The values of the parts of this name, by their codes."""
    assert answer.status_code == 200, answer.text
    found = [part["part"] for part in answer.json()["parameter"] if part["name"] == name]
    return {
        code["valueCode"]: rest[0]["valueCoding"]["code"] if rest and "valueCoding" in rest[0] else None
        for code, *rest in found
    }


async def test_a_dry_run_says_scores_levels_and_clauses(fhir: Fhir) -> None:
    answer = await fhir.post(
        PATH, given(ability("Patient/never-assessed", {"A.4.1.1": 1, "A.2.14.1": 2}, signed=BOTH[:1]))
    )
    assert told(answer, "result") == {"preliminary-level": "0", "final-level": "1"}
    parts = answer.json()["parameter"]
    scores = {
        part["part"][0]["valueCode"]: part["part"][1]["valueInteger"] for part in parts if part["name"] == "score"
    }
    assert scores == {"B.1": 32, "B.2": 15, "B.3": 28, "B.4": 15, "total": 90}
    assert [part["valueCoding"]["code"] for part in parts if part["name"] == "clause"] == ["dementia", "risk"]
    assert [part["valueCode"] for part in parts if part["name"] == "missing-signature"] == ["assessor", "informant"]
    assert (await fhir.get("/QuestionnaireResponse?subject=Patient/never-assessed&_summary=count")).json()["total"] == 0


async def test_it_scores_by_another_rule_when_asked(fhir: Fhir) -> None:
    response = ability("Patient/never-assessed", {"A.4.1.1": 1, "A.2.14.1": 2})
    assert told(await fhir.post(PATH, given(response, "2022-each")), "result")["final-level"] == "2"
    assert_outcome(await fhir.post(PATH, given(response, "1999")), 422, "code-invalid")


async def test_it_scores_what_is_stored(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    stored = await fhir.created(assessment("barthel-total", f"Patient/{elder['id']}", {"recorded": 60}))
    path = f"/QuestionnaireResponse/{stored['id']}/$score"
    assert told(await fhir.get(path), "result") == {"level": "moderate"}
    assert told(await fhir.get(f"{path}?rule=wst431-2013"), "result") == {"level": "moderate"}
    assert_outcome(await fhir.get("/QuestionnaireResponse/nobody/$score"), 404, "not-found")
    stranger = fhir.as_(organization="elsewhere")
    assert_outcome(await stranger.get(path), 404, "not-found")


async def test_what_cannot_be_graded_is_told_as_when_it_is_stored(fhir: Fhir) -> None:
    answer = await fhir.post(PATH, given(ability("Patient/never-assessed", {"B.2.3": None})))
    assert_outcome(answer, 422, "required", "QuestionnaireResponse.repeat(item).where(linkId='B.2.3')")


async def test_only_an_instrument_is_scored(fhir: Fhir) -> None:
    answer = await fhir.post(PATH, given(questionnaire_response()))
    assert_outcome(answer, 422, "not-supported", "QuestionnaireResponse.questionnaire")
    assert_outcome(await fhir.get(PATH), 400, "value")
    assert_outcome(await fhir.post(PATH, given(known_patient())), 400, "value")


async def test_reading_is_enough_to_score_and_nothing_less(fhir: Fhir) -> None:
    response = given(ability("Patient/never-assessed"))
    reader = fhir.as_(scopes=("system/QuestionnaireResponse.r",))
    assert (await reader.post(PATH, response)).status_code == 200
