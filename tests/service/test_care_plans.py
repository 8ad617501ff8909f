"""Plans from the library: applied, proposed by what is known of the elder, kept by several authors, looked at again in time (docs/care-plans.md)."""

from datetime import timedelta
from typing import Any

import pytest

from services.care.plans.applying import REVIEW, review_of, with_review
from services.care.plans.load import load_plans
from services.fhir.validation import parse, validate
from tests.assessments import ability, assessment
from tests.builders import care_plan, coded, condition, create, known_patient, transaction, urn
from tests.disclosures import operations_told
from tests.matchers import assert_outcome
from tests.ward import HOME, NURSE, Ward, home, ward

__all__ = ["home", "ward"]

Json = dict[str, Any]
ICD10 = "http://hl7.org/fhir/sid/icd-10"


def given(**values: Any) -> Json:
    parts = [
        {"name": name, ("valueBoolean" if isinstance(value, bool) else "valueString"): value}
        for name, value in values.items()
    ]
    return {"resourceType": "Parameters", "parameter": parts}


def part(answer: Json, name: str) -> list[Json]:
    return [each for each in answer["parameter"] if each["name"] == name]


async def stored_plan(ward: Ward, *names: str) -> Json:
    body = given(subject=ward.elder, store=True)
    body["parameter"] += [{"name": "plan", "valueCode": each} for each in names or ("fall-prevention",)]
    answer = await ward.home.post("/CarePlan/$propose", body)
    assert answer.status_code == 201, answer.text
    (plan,) = part(answer.json(), "carePlan")
    stored: Json = (await ward.home.get(f"/CarePlan/{plan['resource']['id']}")).json()
    return stored


async def active_plan(ward: Ward) -> Json:
    plan = await stored_plan(ward)
    answer = await ward.home.put(f"/CarePlan/{plan['id']}", plan | {"status": "active"}, if_match='W/"1"')
    assert answer.status_code == 200, answer.text
    active: Json = answer.json()
    return active


@pytest.mark.parametrize("name", load_plans())
async def test_each_plan_of_the_library_applies_to_an_elder(ward: Ward, name: str) -> None:
    answer = await ward.home.get(f"/PlanDefinition/{name}/$apply?subject={ward.elder}")
    assert answer.status_code == 200, answer.text
    plan = parse(answer.content, "CarePlan")
    validate(plan)
    assert plan["subject"] == {"reference": ward.elder}
    assert plan["author"] == {"reference": NURSE}
    assert plan["instantiatesCanonical"] == [load_plans()[name].canonical]
    assert len(plan["goal"]) == len(load_plans()[name].aims)
    assert len(plan["activity"]) == len(load_plans()[name].acts)
    assert await ward.found(f"/CarePlan?patient={ward.elder}") == []


async def test_apply_refuses_whom_it_does_not_see_and_what_is_not_of_the_library(ward: Ward) -> None:
    nobody = await ward.home.get("/PlanDefinition/hospice/$apply?subject=Patient/nobody")
    assert_outcome(nobody, 422, "not-found", "subject")
    unknown = await ward.home.get(f"/PlanDefinition/gardening/$apply?subject={ward.elder}")
    assert unknown.status_code == 422
    assert (await ward.home.get("/PlanDefinition/hospice/$apply")).status_code == 400


async def test_plans_are_proposed_by_level_diagnoses_and_risks_and_say_why(ward: Ward) -> None:
    today = ward.now.isoformat(timespec="seconds")
    system = ward.home.as_(practitioner=None)
    level = await system.created(ability(ward.elder, {"B.1": 0, "B.2": 0}, authored=today))
    await system.created(assessment("braden-total", ward.elder, {"recorded": 12}, authored=today))
    pressure = await ward.home.created(condition(ward.elder, code=coded(ICD10, "I10"), clinicalStatus=active()))
    answer = (await ward.home.post("/CarePlan/$propose", given(subject=ward.elder))).json()
    titles = {p["valueString"] for plan in part(answer, "plan") for p in plan["part"] if p["name"] == "title"}
    assert titles == {"高血压居家照护", "压力性损伤预防", "跌倒预防"}
    sources = {
        p["valueReference"]["reference"]
        for plan in part(answer, "plan")
        for because in plan["part"]
        if because["name"] == "because"
        for p in because["part"]
        if p["name"] == "source"
    }
    assert f"Condition/{pressure['id']}" in sources
    levels = await ward.found(f"/Observation?derived-from=QuestionnaireResponse/{level['id']}&code=final-level")
    assert {f"Observation/{each['id']}" for each in levels} <= sources
    (proposed,) = part(answer, "carePlan")
    assert proposed["resource"]["addresses"] == [{"reference": f"Condition/{pressure['id']}"}]


async def test_nothing_on_record_proposes_nothing(ward: Ward) -> None:
    assert_outcome(await ward.home.post("/CarePlan/$propose", given(subject=ward.elder)), 422, "not-found")


async def test_a_stored_proposal_is_plan_goals_and_team_in_one_commit(ward: Ward) -> None:
    plan = await stored_plan(ward, "fall-prevention", "heart-failure", "hypertension")
    codes = [each["detail"]["code"]["coding"][0]["code"] for each in plan["activity"]]
    assert len(codes) == len({*codes}) == 10
    goals = [(await ward.home.get(f"/{each['reference']}")).json() for each in plan["goal"]]
    team = (await ward.home.get(f"/{plan['careTeam'][0]['reference']}")).json()
    assert {each["subject"]["reference"] for each in (*goals, team)} == {ward.elder}
    assert team["managingOrganization"] == [{"reference": f"Organization/{HOME}"}]
    assert review_of(plan) == (ward.now.date() + timedelta(days=30)).isoformat()
    validate(plan)


async def test_two_authors_of_one_plan_and_the_second_is_told_what_differs(ward: Ward) -> None:
    plan = await active_plan(ward)
    path, etag = f"/CarePlan/{plan['id']}", f'W/"{plan["meta"]["versionId"]}"'
    first = changed_activity(plan, 0, status="in-progress")
    assert (await ward.home.put(path, first, if_match=etag)).status_code == 200
    second = changed_activity(plan, 0, status="completed")
    refused = await ward.home.put(path, second, if_match=etag)
    assert refused.status_code == 412
    assert refused.headers["etag"] == 'W/"3"'
    issues = refused.json()["issue"]
    told = {issue["expression"][0]: issue for issue in issues if "expression" in issue}
    assert told.keys() == {"CarePlan.activity[0].detail.status"}
    text = told["CarePlan.activity[0].detail.status"]["details"]["text"]
    assert "not-started → in-progress" in text
    assert "您也修改了此处" in text


async def test_a_plan_of_several_authors_is_changed_only_by_who_names_the_version(ward: Ward) -> None:
    plan = await active_plan(ward)
    assert (await ward.home.put(f"/CarePlan/{plan['id']}", plan)).status_code == 428
    plain = await ward.home.created(care_plan(ward.elder))
    assert (await ward.home.put(f"/CarePlan/{plain['id']}", plain)).status_code == 200


async def test_a_plan_that_names_what_is_anothers_is_refused_at_each_element(ward: Ward) -> None:
    other = f"Patient/{(await ward.home.created(known_patient()))['id']}"
    goal = {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "目标"}}
    theirs = await ward.home.created(goal | {"subject": {"reference": other}})
    illness = await ward.home.created(condition(other, code=coded(ICD10, "I10")))
    mixed = care_plan(
        ward.elder,
        goal=[{"reference": f"Goal/{theirs['id']}"}],
        addresses=[{"reference": f"Condition/{illness['id']}"}],
    )
    refused = await ward.home.post("/CarePlan", mixed)
    assert_outcome(refused, 422, "business-rule", "CarePlan.goal[0]")
    places = {each for issue in refused.json()["issue"] for each in issue["expression"]}
    assert places == {"CarePlan.goal[0]", "CarePlan.addresses[0]"}
    plan = await ward.home.created(care_plan(ward.elder))
    moved = plan | {"subject": {"reference": other}}
    assert_outcome(await ward.home.put(f"/CarePlan/{plan['id']}", moved), 422, "business-rule", "CarePlan.subject")


async def test_a_goal_out_of_reach_reads_as_one_that_does_not_exist(ward: Ward) -> None:
    elsewhere = ward.home.as_(organization="elsewhere")
    other = f"Patient/{(await elsewhere.created(known_patient()))['id']}"
    goal = {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "目标"}}
    hidden = await elsewhere.created(goal | {"subject": {"reference": other}})
    for name in (hidden["id"], "no-such-goal"):
        assert (await ward.home.get(f"/Goal/{name}")).status_code == 404
        plan = care_plan(ward.elder, goal=[{"reference": f"Goal/{name}"}])
        assert (await ward.home.post("/CarePlan", plan)).status_code == 201


async def test_in_one_transaction_too_a_plan_names_its_own_patients_goal_only(ward: Ward) -> None:
    other = f"Patient/{(await ward.home.created(known_patient()))['id']}"
    for whose, status in ((ward.elder, 200), (other, 422)):
        name = urn()
        goal = {
            "resourceType": "Goal",
            "lifecycleStatus": "active",
            "description": {"text": "目标"},
            "subject": {"reference": whose},
        }
        plan = care_plan(ward.elder, goal=[{"reference": name}])
        answer = await ward.home.post("/", transaction(create(goal, name), create(plan)))
        assert answer.status_code == status, answer.text


async def test_a_plan_that_nobody_looks_at_again_is_flagged_when_its_day_is_over(ward: Ward) -> None:
    plan = await active_plan(ward)
    due = review_of(plan)
    tasks = f"/Task?patient={ward.elder}&code=care-plan-review"
    (task,) = await ward.found(tasks)
    assert (task["status"], task["restriction"]["period"]["end"]) == ("requested", due)
    await ward.leap(days=90)
    assert await ward.found(f"/Flag?patient={ward.elder}") == []
    await ward.leap(days=1)
    (flag,) = await ward.found(f"/Flag?patient={ward.elder}")
    assert flag["status"] == "active"
    later = with_review(plan, (ward.now.date() + timedelta(days=60)).isoformat())
    etag = f'W/"{plan["meta"]["versionId"]}"'
    assert (await ward.home.put(f"/CarePlan/{plan['id']}", later, if_match=etag)).status_code == 200
    (flag,) = await ward.found(f"/Flag?patient={ward.elder}")
    (task,) = await ward.found(tasks)
    assert (flag["status"], task["restriction"]["period"]["end"]) == ("inactive", review_of(later))
    ended = later | {"status": "completed"}
    assert (await ward.home.put(f"/CarePlan/{plan['id']}", ended, if_match="*")).status_code == 200
    (task,) = await ward.found(tasks)
    assert task["status"] == "completed"
    await ward.leap(days=100)
    assert [each["status"] for each in await ward.found(f"/Flag?patient={ward.elder}")] == ["inactive"]


@pytest.mark.parametrize("day", ["2026-05", "9999-12-31"])
async def test_a_review_that_is_no_day_to_come_is_refused(ward: Ward, day: str) -> None:
    plan = with_review(care_plan(ward.elder), day)
    assert_outcome(await ward.home.post("/CarePlan", plan), 422, "value", "CarePlan.extension")


async def test_a_review_without_a_value_is_none(ward: Ward) -> None:
    bare = {"url": REVIEW, "extension": [{"url": "http://a.example/why", "valueString": "未定"}]}
    assert (await ward.home.post("/CarePlan", care_plan(ward.elder, extension=[bare]))).status_code in (201, 422)


async def test_a_deleted_elder_gets_no_plan(ward: Ward) -> None:
    gone = await ward.home.created(known_patient())
    assert (await ward.home.delete(f"/Patient/{gone['id']}")).status_code == 204
    refused = await ward.home.post("/CarePlan/$propose", given(subject=f"Patient/{gone['id']}"))
    assert_outcome(refused, 422, "not-found", "subject")


async def test_a_plan_is_proposed_and_applied_within_the_scopes_of_who_asks(ward: Ward) -> None:
    named = given(subject=ward.elder)
    named["parameter"] += [{"name": "plan", "valueCode": "fall-prevention"}]
    needed = ["CarePlan.r", "Patient.r", "Observation.rs", "Condition.rs", "DetectedIssue.rs"]
    for missing in (None, *needed):
        scopes = tuple(f"system/{each}" for each in needed if each != missing)
        answer = await ward.home.as_(scopes=scopes).post("/CarePlan/$propose", named)
        assert answer.status_code == (403 if missing else 200), (missing, answer.text)
    blind = ward.home.as_(scopes=("system/PlanDefinition.r", "system/Patient.r?_lastUpdated=ge2000"))
    assert_outcome(await blind.get(f"/PlanDefinition/hospice/$apply?subject={ward.elder}"), 403, "forbidden")


async def test_the_elder_is_told_to_whom_plans_were_proposed(ward: Ward) -> None:
    await ward.home.post("/CarePlan/$propose", given(subject=ward.elder))
    await ward.home.get(f"/PlanDefinition/hospice/$apply?subject={ward.elder}")
    elder = ward.home.as_(practitioner=ward.elder, organization="portal", purpose="PATRQT")
    assert await operations_told(elder, ward.elder, HOME) == 2


async def test_the_library_is_the_platforms_to_write(ward: Ward) -> None:
    forged = {"resourceType": "PlanDefinition", "status": "active", "url": load_plans()["hospice"].url}
    assert_outcome(await ward.home.post("/PlanDefinition", forged), 422, "business-rule", "PlanDefinition")


def changed_activity(plan: Json, number: int, **detail: Any) -> Json:
    activities = [*plan["activity"]]
    activities[number] = {"detail": activities[number]["detail"] | detail}
    return plan | {"activity": activities}


def active() -> Json:
    return coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active")
