"""Satisfaction surveys without names, and events of risk that an assessment must not leave out (docs/adr/0050)."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.care.quality.surveys import check_survey, load_surveys
from services.fhir.business import Change
from services.fhir.outcomes import FhirError
from tests.assessments import ability
from tests.builders import CHINA, coded, organization
from tests.house import Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]

(FORM,) = load_surveys().values()
SATISFACTION = "https://yiyang.example/fhir/CodeSystem/satisfaction"
RISK = "https://yiyang.example/fhir/CodeSystem/care-risk-event"
YEAR = datetime.now(CHINA).year


async def home(fhir: Fhir) -> Fhir:
    own = fhir.as_(organization=f"home-{uuid4().hex[:8]}")
    name = own.caller.organization
    assert (await own.put(f"/Organization/{name}", organization(id=name))).status_code == 201
    return own


def answered(institution: str, overall: str = "satisfied", **changes: Any) -> Json:
    """Nobody is named."""
    given = {"who": "family", "overall": overall}
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{FORM['url']}|{FORM['version']}",
        "status": "completed",
        "subject": {"reference": f"Organization/{institution}"},
        "authored": datetime.now(CHINA).isoformat(timespec="seconds"),
        "item": [
            {"linkId": link_id, "answer": [{"valueCoding": {"system": SATISFACTION, "code": code}}]}
            for link_id, code in given.items()
        ],
    } | changes


async def test_satisfaction_is_told_in_sums(fhir: Fhir) -> None:
    own = await home(fhir)
    name = own.caller.organization
    for overall in ("very-satisfied", "satisfied", "satisfied", "neutral"):
        await own.created(answered(name, overall))
    wrong = await own.created(answered(name, "dissatisfied"))
    assert (
        await own.put(f"/QuestionnaireResponse/{wrong['id']}", wrong | {"status": "entered-in-error"})
    ).status_code == 200
    path = f"/Measure/satisfaction/$evaluate-measure?periodStart={YEAR}&periodEnd={YEAR}"
    (group,) = (await own.get(path)).json()["group"]
    assert [each["count"] for each in group["population"]] == [4, 3]
    assert group["measureScore"]["value"] == 0.75


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"status": "in-progress"}, "QuestionnaireResponse.status"),
        ({"subject": {"reference": "Patient/elder-of-survey"}}, "QuestionnaireResponse.subject"),
        ({"item": []}, "QuestionnaireResponse.item.where(linkId='overall')"),
        ({"item": [{"linkId": "weather"}]}, "QuestionnaireResponse.item"),
        (
            {"item": [{"linkId": "overall", "answer": [{"valueCoding": {"code": "sunny"}}]}]},
            "QuestionnaireResponse.item.where(linkId='overall')",
        ),
    ],
)
async def test_an_answer_to_a_survey_is_whole_and_about_an_institution(fhir: Fhir, changes: Json, element: str) -> None:
    own = await home(fhir)
    body = {name: value for name, value in answered(own.caller.organization, **changes).items() if value != []}
    answer = await own.post("/QuestionnaireResponse", body)
    assert answer.status_code == 422, answer.text
    assert any(element in issue["expression"] for issue in answer.json()["issue"])


def test_a_survey_of_ones_own_may_have_groups_and_open_questions() -> None:
    option = {"valueCoding": {"code": "yes"}}
    choice: Json = {"linkId": "a", "type": "choice", "required": True, "answerOption": [option]}
    form: Json = {
        "url": "http://a.example/own",
        "item": [{"linkId": "g", "type": "group", "item": [choice]}, {"linkId": "b", "type": "text"}],
    }

    def answer(*items: Json) -> Change:
        about = {"subject": {"reference": "Organization/a"}, "status": "completed", "questionnaire": form["url"]}
        return Change("QuestionnaireResponse", "1", None, about | {"item": [*items]}, 1)

    inner = {"linkId": "a", "answer": [option]}
    check_survey(
        answer({"linkId": "g", "item": [inner]}, {"linkId": "b", "answer": [{"valueString": "好"}]}),
        {form["url"]: form},
    )
    with pytest.raises(FhirError):
        check_survey(answer({"linkId": "b", "answer": [{"valueString": "好"}]}), {form["url"]: form})


async def test_an_answer_is_not_changed_afterwards(fhir: Fhir) -> None:
    own = await home(fhir)
    made = await own.created(answered(own.caller.organization, "dissatisfied"))
    path, better = f"/QuestionnaireResponse/{made['id']}", answered(own.caller.organization, "very-satisfied")
    assert_outcome(await own.put(path, better | {"id": made["id"]}), 422, "business-rule", "QuestionnaireResponse")
    assert_outcome(await own.delete(path), 422, "business-rule", "QuestionnaireResponse")


async def fell(fhir: Fhir, elder: str, days: int, kind: str = "fall") -> None:
    await fhir.created(
        {
            "resourceType": "AdverseEvent",
            "actuality": "actual",
            "event": coded(RISK, kind),
            "subject": {"reference": elder},
            "date": (datetime.now(CHINA) - timedelta(days=days)).isoformat(timespec="seconds"),
        }
    )


async def test_an_assessment_does_not_leave_out_events_on_record(fhir: Fhir) -> None:
    elder = f"Patient/{(await fhir.created({'resourceType': 'Patient'}))['id']}"
    for days in (3, 20, 40):
        await fell(fhir, elder, days)
    await fell(fhir, elder, 5, "choking")
    now = datetime.now(CHINA).isoformat(timespec="seconds")
    where = "QuestionnaireResponse.repeat(item).where(linkId='A.2.14.{}')"
    given: dict[str, Any]
    for given, missing in (({}, (1, 3)), ({"A.2.14.1": 1, "A.2.14.3": 1}, (1,)), ({"A.2.14.1": 2}, (3,))):
        outcome = (await fhir.post("/QuestionnaireResponse", ability(elder, {**given}, authored=now))).json()
        assert [i["expression"][0] for i in outcome["issue"]] == [where.format(n) for n in missing]
    whole = ability(elder, {"A.2.14.1": 2, "A.2.14.3": 3}, authored=now)
    assert (await fhir.post("/QuestionnaireResponse", whole)).status_code == 201


async def test_the_refusal_of_an_assessment_does_not_tell_the_number_of_events(fhir: Fhir) -> None:
    """Not all of them need be in sight of who assesses."""
    elder = f"Patient/{(await fhir.created({'resourceType': 'Patient'}))['id']}"
    now = datetime.now(CHINA).isoformat(timespec="seconds")
    told = []
    for days in (3, 20):
        await fell(fhir, elder, days)
        answer = await fhir.post("/QuestionnaireResponse", ability(elder, {}, authored=now))
        told.append(assert_outcome(answer, 422, "business-rule"))
    assert told[0] == told[1]


async def test_what_is_on_record_is_filled_in_before(fhir: Fhir) -> None:
    elder = f"Patient/{(await fhir.created({'resourceType': 'Patient'}))['id']}"
    for days in (1, 2, 3, 4, 35):
        await fell(fhir, elder, days)
    path = f"/Questionnaire/gbt42195/$populate?subject={elder}"
    begun = (await fhir.get(path)).json()
    told = {i["linkId"]: i["answer"][0]["valueCoding"]["code"] for g in begun["item"] for i in g["item"]}
    assert (told["A.2.14.1"], told["A.2.14.2"]) == ("A.2.14.1-3", "A.2.14.2-0")
    assert begun["status"] == "in-progress"
    stranger = fhir.as_(organization="stranger-of-populate")
    seen = (await stranger.get(path)).json()
    assert {i["answer"][0]["valueCoding"]["code"][-1] for g in seen["item"] for i in g["item"]} == {"0"}
    assert_outcome(await fhir.get("/Questionnaire/none/$populate?subject=Patient/1"), 404, "not-found")
    assert_outcome(await fhir.get("/Questionnaire/gbt42195/$populate"), 400, "value")
