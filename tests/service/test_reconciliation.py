"""The hospital's plan and the home's become one, decided line by line, and close the referral downward (docs/care-plans.md)."""

import asyncio
from typing import Any

import pytest

from services.care.plans.applying import PROFILE
from services.fhir.elements import concept
from services.fhir.validation import parse, validate
from services.referral.codes import DIRECTION, SERVICE_CATEGORY
from tests.builders import care_plan, coded, known_patient, observation
from tests.disclosures import operations_told
from tests.house import Fhir, Response
from tests.matchers import assert_outcome
from tests.referrals import Scene, reference

Json = dict[str, Any]

MEDICATION = "10183-2"


def medicine(patient: str, name: str, dose: str = "每日一次，每次一片", status: str = "active") -> Json:
    return {
        "resourceType": "MedicationStatement",
        "status": status,
        "medicationCodeableConcept": {"text": name},
        "subject": reference(patient),
        "dosage": [{"text": dose}],
    }


def activity(code: str, said: str, **detail: Any) -> Json:
    return {"detail": {"code": coded("urn:care", code), "status": "in-progress", "description": said} | detail}


class Return:
    """An elder on the way from a hospital back to a home, with both plans and both lists of medication."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.hospital, self.home = scene, scene.placer, scene.fulfiller
        self.task: Json = {}
        self.discharge, self.own = "", ""
        self.lines: list[str] = []
        self.taken: list[str] = []

    async def begin(self) -> None:
        scene, patient = self.scene, self.scene.patient
        given = [medicine(patient, "呋塞米片 40mg"), medicine(patient, "美托洛尔片 25mg")]
        self.lines = [f"MedicationStatement/{(await self.hospital.created(each))['id']}" for each in given]
        proposed = care_plan(patient, "draft", intent="proposal", activity=[activity("weighing", "每日称体重")])
        self.discharge = f"CarePlan/{(await self.hospital.created(proposed))['id']}"
        self.task = await scene.submitted(self._request(), self._package())
        for act in ("accept", "arrive", "treat"):
            self.task = await scene.done(self.task, act)
        known = [medicine(patient, "呋塞米片 20mg"), medicine(patient, "阿司匹林肠溶片 100mg")]
        self.taken = [f"MedicationStatement/{(await self.home.created(each))['id']}" for each in known]
        plan = care_plan(
            patient,
            meta={"profile": [PROFILE]},
            category=[concept("https://yiyang.example/fhir/CodeSystem/care-plan-category", "nursing")],
            period={"start": "2026-01-01"},
            author=reference(f"Organization/{scene.organizations[1]}"),
            activity=[activity("rounds", "夜间巡视"), activity("weighing", "每日称体重")],
        )
        self.own = f"CarePlan/{(await self.home.created(plan))['id']}"

    def _request(self) -> Json:
        scene = self.scene
        category = [concept(SERVICE_CATEGORY, "referral"), concept(DIRECTION, "down")]
        return scene.request(category=category, performer=[reference(f"Organization/{scene.organizations[1]}")])

    def _package(self) -> Json:
        package = self.scene.package("down")
        note = package["entry"][0]["resource"]
        for section in note["section"]:
            if section["code"]["coding"][0]["code"] == MEDICATION:
                section["entry"] = [reference(each) for each in self.lines]
        return package

    async def reconcile(
        self, *decisions: tuple[str, str], commit: bool = False, by: Fhir | None = None, **instead: str
    ) -> Response:
        named = {"subject": self.scene.patient, "discharge": self.discharge, "home": self.own} | instead
        parts: list[Json] = [{"name": name, "valueString": value} for name, value in named.items()]
        parts += [{"name": "request", "valueReference": self.task["focus"]}]
        parts += [{"name": "dischargeMedication", "valueReference": reference(each)} for each in self.lines]
        parts += [{"name": "homeMedication", "valueReference": reference(each)} for each in self.taken]
        for line, answer in decisions:
            decided = [{"name": "line", "valueString": line}, {"name": "answer", "valueCode": answer}]
            parts.append({"name": "decision", "part": [*decided, {"name": "note", "valueString": "医师查房后决定"}]})
        parts.append({"name": "commit", "valueBoolean": commit})
        return await (by or self.home).post("/CarePlan/$reconcile", {"resourceType": "Parameters", "parameter": parts})


def lines(answer: Json) -> dict[str, Json]:
    """By what people read of it, the parts of each line by name."""
    found = {}
    for each in answer["parameter"]:
        if each["name"] == "line":
            parts = {p["name"]: next(v for n, v in p.items() if n.startswith("value")) for p in each["part"]}
            found[(parts.get("home") or parts["discharge"]).split(" ")[0]] = parts
    return found


def resource(answer: Json) -> Json:
    plan: Json = next(each["resource"] for each in answer["parameter"] if each["name"] == "carePlan")
    return plan


@pytest.fixture
async def back(fhir: Fhir) -> Return:
    made = Return(await Scene.set(fhir))
    await made.begin()
    return made


async def test_both_plans_are_shown_line_by_line_and_nothing_is_stored(back: Return) -> None:
    answer = await back.reconcile()
    assert answer.status_code == 200, answer.text
    found = lines(answer.json())
    said = {name: (parts["verdict"]["code"], parts.get("answer")) for name, parts in found.items()}
    assert said == {
        "呋塞米片": ("changed", "changed"),
        "美托洛尔片": ("new", "new"),
        "阿司匹林肠溶片": ("stopped", None),
        "夜间巡视": ("kept", "continue"),
        "每日称体重": ("kept", "continue"),
    }
    proposed = resource(answer.json())
    validate(parse(answer.content, "Parameters"))
    assert proposed["status"] == "draft"
    assert [each["detail"]["description"] for each in proposed["activity"]] == ["夜间巡视", "每日称体重"]
    there = (await back.home.get(f"/CarePlan?patient={back.scene.patient}&_summary=count")).json()
    assert there["total"] == 2


async def test_what_people_must_decide_is_not_decided_for_them(back: Return) -> None:
    refused = await back.reconcile(commit=True)
    assert_outcome(refused, 422, "required", "decision")
    assert len(refused.json()["issue"]) == 1
    (line,) = [p["id"] for p in lines((await back.reconcile()).json()).values() if not p["isDecided"]]
    assert_outcome(await back.reconcile((line, "new"), commit=True), 422, "value", "decision")
    assert_outcome(await back.reconcile(("medication-00000000", "stop")), 422, "value", "decision")


async def test_the_reconciled_plan_and_list_close_the_referral(back: Return) -> None:
    (line,) = [p["id"] for p in lines((await back.reconcile()).json()).values() if not p["isDecided"]]
    answer = await back.reconcile((line, "stop"), commit=True)
    assert answer.status_code == 201, answer.text
    plan = (await back.home.get(f"/CarePlan/{resource(answer.json())['id']}")).json()
    assert (plan["status"], plan["replaces"]) == ("active", [{"reference": back.own}])
    extensions = [e["extension"] for each in plan["activity"] for e in each["extension"]]
    assert [{p["url"]: p.get("valueCode") for p in each}["verdict"] for each in extensions] == ["kept", "kept"]
    assert (await back.home.get(f"/{back.own}")).json()["status"] == "completed"
    told = (await back.home.get(f"/Provenance?target=CarePlan/{plan['id']}")).json()["entry"][0]["resource"]
    assert {each["what"]["reference"] for each in told["entity"]} == {back.discharge, back.own}
    listed = next(each["valueReference"] for each in answer.json()["parameter"] if each["name"] == "medication")
    entries = (await back.home.get(f"/{listed['reference']}")).json()["entry"]
    flags = {each["item"]["reference"]: each["flag"]["coding"][0]["code"] for each in entries}
    assert flags == dict(zip((*back.lines, *back.taken), ("changed", "new", "changed", "stop"), strict=True))
    again = await back.home.created(observation(back.scene.patient))
    closing = [
        {"name": "care-plan", "valueReference": reference(f"CarePlan/{plan['id']}")},
        {"name": "medication", "valueReference": listed},
        {"name": "reassessment", "valueReference": reference(f"Observation/{again['id']}")},
    ]
    body = {"resourceType": "Parameters", "parameter": closing}
    closed = await back.home.post(f"/Task/{back.task['id']}/$feedback", body)
    assert closed.status_code == 200, closed.text
    assert closed.json()["businessStatus"]["coding"][0]["code"] == "feedback-sent"


async def test_a_plan_of_another_elder_is_refused(back: Return, fhir: Fhir) -> None:
    other = f"Patient/{(await back.home.created(known_patient()))['id']}"
    theirs = await back.home.created(care_plan(other))
    foreign = f"CarePlan/{theirs['id']}"
    assert_outcome(await back.reconcile(home=foreign), 422, "business-rule", "home")
    assert_outcome(await back.reconcile(discharge=foreign), 422, "business-rule", "discharge")


async def test_a_plan_is_not_reconciled_with_itself_nor_its_hidden_goals_lost(back: Return) -> None:
    same = await back.reconcile(home=back.discharge)
    assert same.status_code == 400
    goal = {"resourceType": "Goal", "id": "g", "lifecycleStatus": "active", "description": {"text": "目标"}}
    goal["subject"] = reference(back.scene.patient)
    hiding = care_plan(back.scene.patient, contained=[goal], goal=[{"reference": "#g"}])
    hidden = f"CarePlan/{(await back.home.created(hiding))['id']}"
    assert_outcome(await back.reconcile(home=hidden), 422, "not-supported", "home")


async def test_who_does_not_see_the_elder_learns_nothing(back: Return) -> None:
    refused = await back.reconcile(by=back.scene.other)
    assert_outcome(refused, 422, "not-found", "subject")


async def test_each_type_that_is_compared_needs_a_scope_without_parameters(back: Return) -> None:
    back.taken = []  # what the record holds is looked for
    needed = ["CarePlan.r", "Patient.r", "MedicationStatement.rs", "MedicationRequest.rs", "AllergyIntolerance.rs"]
    assert (await back.reconcile(by=scoped(back.home, *needed))).status_code == 200
    for each in needed:
        limited = [f"{name}?_lastUpdated=ge2000" if name == each else name for name in needed]
        assert_outcome(await back.reconcile(by=scoped(back.home, *limited)), 403, "forbidden")


async def test_the_homes_plan_is_not_ended_by_who_may_create_only(back: Return) -> None:
    (line,) = [p["id"] for p in lines((await back.reconcile()).json()).values() if not p["isDecided"]]
    creating = ("*.r", "AllergyIntolerance.rs", "CarePlan.cr", "List.c", "Provenance.c")
    refused = await back.reconcile((line, "stop"), commit=True, by=scoped(back.home, *creating))
    assert_outcome(refused, 403, "forbidden")
    assert (await back.home.get(f"/{back.own}")).json()["status"] == "active"
    changing = scoped(back.home, *creating, "CarePlan.u")
    assert (await back.reconcile((line, "stop"), commit=True, by=changing)).status_code == 201


async def test_the_elder_is_told_who_reconciled(back: Return) -> None:
    elder = back.home.as_(practitioner=back.scene.patient, organization="portal", purpose="PATRQT")
    before = await operations_told(elder, back.scene.patient, back.scene.organizations[1])
    assert (await back.reconcile()).status_code == 200
    assert await operations_told(elder, back.scene.patient, back.scene.organizations[1]) == before + 1


async def test_what_the_home_ordered_is_compared_as_well_as_what_is_taken(back: Return) -> None:
    back.taken = []
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "华法林钠片 3mg"},
        "subject": reference(back.scene.patient),
        "dosageInstruction": [{"text": "每晚一次"}],
    }
    await back.home.created(order)
    for change in ({"status": "stopped"}, {"intent": "proposal"}):
        await back.home.created(order | {"medicationCodeableConcept": {"text": "地高辛片 0.25mg"}} | change)
    found = lines((await back.reconcile()).json())
    assert found["华法林钠片"]["reason"] == "left-out"
    assert "阿司匹林肠溶片" in found
    assert "地高辛片" not in found


def scoped(fhir: Fhir, *scopes: str) -> Fhir:
    return fhir.as_(scopes=tuple(f"system/{each}" for each in scopes))


async def test_two_who_reconcile_at_once_make_one_plan(back: Return) -> None:
    (line,) = [p["id"] for p in lines((await back.reconcile()).json()).values() if not p["isDecided"]]
    answers = await asyncio.gather(*(back.reconcile((line, each), commit=True) for each in ("continue", "stop") * 3))
    assert sum(each.status_code == 201 for each in answers) == 1
    assert {each.status_code for each in answers} <= {201, 409, 412, 422}
    active = (await back.home.get(f"/CarePlan?patient={back.scene.patient}&status=active&_summary=count")).json()
    assert active["total"] == 1
    assert_outcome(await back.reconcile((line, "stop"), commit=True), 422, "business-rule", "home")
