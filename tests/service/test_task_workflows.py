"""Complaints and determinations for long-term care insurance: Tasks whose course is a table, by PUT, with deadlines and the clock (docs/quality.md)."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI

from services.fhir.clockwork import Clockwork
from services.fhir.tasks.table import PARAMETER, TASK_CODE, workflows
from services.kit.clock import LeapingClock
from services.referral.app import create_app
from tests.builders import coded, episode_of_care, observation, organization
from tests.bulk import database
from tests.house import HIS, Fhir, in_one_process
from tests.matchers import assert_outcome

__all__ = ["database"]

Json = dict[str, Any]
LTCI = "https://yiyang.example/fhir/CodeSystem/ltci37"


class Desk:
    """An institution that answers, another one, and an elder of the first; the clock is leapt."""

    def __init__(self, fhir: Fhir, clock: LeapingClock, clockwork: Clockwork) -> None:
        mark = uuid4().hex[:8]
        self.clock, self.clockwork = clock, clockwork
        self.home, self.agency = f"home-{mark}", f"agency-{mark}"
        self.own, self.other = fhir.as_(organization=self.home), fhir.as_(organization=self.agency)
        self.patient = ""

    async def furnish(self) -> None:
        for client in (self.own, self.other):
            name = client.caller.organization
            assert (await client.put(f"/Organization/{name}", organization(id=name))).status_code == 201
        self.patient = f"Patient/{(await self.own.created({'resourceType': 'Patient'}))['id']}"
        keeper = {"reference": f"Organization/{self.home}"}
        await self.own.created(episode_of_care(self.patient, managingOrganization=keeper))

    async def after(self, **time: float) -> None:
        self.clock.leap(timedelta(**time))
        while await self.clockwork.work():
            pass

    async def current(self, task: Json) -> Json:
        found: Json = (await self.own.get(f"/Task/{task['id']}")).json()
        return found

    async def moved(self, by: Fhir, task: Json, state: str, **changes: Any) -> Any:
        """A PUT on the version that is there."""
        there = await self.current(task)
        system = f"https://yiyang.example/fhir/CodeSystem/{_code(task)}-status"
        body = there | {"businessStatus": coded(system, state)} | changes
        return await by.put(f"/Task/{task['id']}", body, if_match=f'W/"{there["meta"]["versionId"]}"')

    async def done(self, by: Fhir, task: Json, state: str, **changes: Any) -> Json:
        answer = await self.moved(by, task, state, **changes)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


@pytest.fixture
async def desk(clean_database: str) -> AsyncIterator[Desk]:
    clock, made = LeapingClock(), list[FastAPI]()

    def referral(settings: Any, **given: Any) -> FastAPI:
        made.append(create_app(settings, **given))
        return made[0]

    async with in_one_process(clean_database, clock=clock, referral=referral) as peers:
        desk = Desk(Fhir(peers, HIS, introduces=False, clock=clock), clock, made[0].state.clockwork)
        await desk.furnish()
        yield desk


def _code(task: Json) -> str:
    return str(task["code"]["coding"][0]["code"])


def parameter(kind: str, **value: Any) -> Json:
    return {"type": coded(PARAMETER, kind), **value}


def complaint(owner: str, **changes: Any) -> Json:
    """Anonymous: nobody is named as who asks, nor as whom it is about."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": coded(TASK_CODE, "complaint"),
        "description": "饭菜太凉",
        "owner": {"reference": f"Organization/{owner}"},
        "input": [parameter("category", valueCode="service")],
    } | changes


def state(task: Json) -> str:
    return str(task["businessStatus"]["coding"][0]["code"])


def deadline(task: Json) -> datetime:
    return datetime.fromisoformat(task["restriction"]["period"]["end"])


async def test_an_anonymous_complaint_is_answered_and_not_rated_by_who_answers(desk: Desk) -> None:
    task = await desk.own.created(complaint(desk.home))
    assert (state(task), "requester" in task) == ("filed", False)
    task = await desk.done(desk.own, task, "received")
    assert task["status"] == "received"
    assert deadline(task) - datetime.fromisoformat(task["authoredOn"]) == timedelta(days=15)
    withdrawn = await desk.moved(desk.own, task, "withdrawn", statusReason={"text": "无此事"})
    assert_outcome(withdrawn, 422, "business-rule", "Task.businessStatus")
    task = await desk.done(desk.own, task, "handling")
    task = await desk.done(desk.own, task, "replied", output=[parameter("resolution", valueString="已换保温箱")])
    assert task["status"] == "completed"
    rated = [*task["output"], parameter("satisfaction", valueCode="satisfied")]
    assert_outcome(await desk.moved(desk.own, task, "closed", output=rated), 422, "business-rule")
    await desk.after(days=8)
    closed = await desk.current(task)
    assert (state(closed), len(closed["output"])) == ("closed", 1)


async def test_an_institution_that_asks_itself_does_not_rate_its_answer(desk: Desk) -> None:
    itself = {"requester": {"reference": f"Organization/{desk.home}"}}
    task = await desk.own.created(complaint(desk.home, **itself))
    await desk.done(desk.own, task, "received")
    reply = [parameter("resolution", valueString="已改")]
    await desk.done(desk.own, task, "replied", output=reply)
    rated = [*reply, parameter("satisfaction", valueCode="satisfied")]
    assert_outcome(await desk.moved(desk.own, task, "closed", output=rated), 422, "business-rule")


async def test_a_complaint_is_not_filed_where_nobody_who_answers_would_see_it(desk: Desk) -> None:
    """Another institution sees a Task by the patient whom it is about."""
    assert_outcome(await desk.own.post("/Task", complaint(desk.agency)), 422, "business-rule", "Task.owner")
    task = await desk.own.created(complaint(desk.agency, **{"for": {"reference": desk.patient}}))
    assert (await desk.other.get(f"/Task/{task['id']}")).status_code == 200
    reply = [parameter("resolution", valueString="已改")]
    await desk.done(desk.other, task, "received")
    await desk.done(desk.other, task, "replied", output=reply)
    rated = [*reply, parameter("satisfaction", valueCode="neutral")]
    assert_outcome(await desk.moved(desk.other, task, "closed", output=rated), 422, "business-rule")
    assert state(await desk.done(desk.own, task, "closed", output=rated)) == "closed"


async def test_who_knows_the_status_of_fhir_alone_gets_on_too(desk: Desk) -> None:
    task = await desk.own.created(complaint(desk.home))
    there = f'W/"{task["meta"]["versionId"]}"'
    answer = await desk.own.put(f"/Task/{task['id']}", {**task, "status": "received"}, if_match=there)
    assert state(answer.json()) == "received"


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"input": [parameter("category", valueCode="weather")]}, "Task.input[0].value"),
        ({"input": []}, "Task.input"),
        ({"description": None}, "Task.description"),
        ({"owner": None}, "Task.owner"),
        ({"status": "completed"}, "Task.businessStatus"),
    ],
)
async def test_a_complaint_says_what_it_is_about_and_to_whom(desk: Desk, changes: Json, element: str) -> None:
    body = {name: value for name, value in (complaint(desk.home) | changes).items() if value not in (None, [])}
    answer = await desk.own.post("/Task", body)
    assert answer.status_code == 422, answer.text
    assert element in answer.json()["issue"][0]["expression"]


async def test_what_is_not_answered_in_time_is_overdue_and_still_answered(desk: Desk) -> None:
    task = await desk.own.created(complaint(desk.home))
    await desk.after(hours=47)
    assert state(await desk.current(task)) == "filed"
    await desk.after(hours=2)
    late = await desk.current(task)
    assert (state(late), late["status"]) == ("overdue", "on-hold")
    reply = await desk.done(desk.own, task, "replied", output=[parameter("resolution", valueString="致歉")])
    assert state(reply) == "replied"
    await desk.after(days=8)
    assert state(await desk.current(task)) == "closed"


async def test_a_reply_is_refused_once(desk: Desk) -> None:
    task = await desk.own.created(complaint(desk.agency, **{"for": {"reference": desk.patient}}))
    for n in range(2):
        await desk.done(desk.other, task, "received") if n == 0 else None
        there = await desk.current(task)
        outputs = [*there.get("output", []), parameter("resolution", valueString=f"{n}")]
        await desk.done(desk.other, task, "replied", output=outputs)
        again = await desk.moved(desk.own, task, "handling", statusReason={"text": "未解决"})
        assert again.status_code == (200 if n == 0 else 422), again.text


async def test_what_is_asked_by_one_is_answered_by_the_other(desk: Desk) -> None:
    asked = complaint(
        desk.agency, requester={"reference": f"Organization/{desk.home}"}, **{"for": {"reference": desk.patient}}
    )
    task = await desk.own.created(asked)
    assert_outcome(await desk.moved(desk.own, task, "received"), 422, "business-rule", "Task.businessStatus")
    await desk.done(desk.other, task, "received")
    reply = [parameter("resolution", valueString="已退费")]
    await desk.done(desk.other, task, "replied", output=reply)
    rated = [*reply, parameter("satisfaction", valueCode="neutral")]
    assert (await desk.moved(desk.other, task, "closed", output=rated)).status_code == 422
    await desk.done(desk.own, task, "closed", output=rated)


async def test_an_act_changes_nothing_else_and_takes_nothing_back(desk: Desk) -> None:
    task = await desk.own.created(complaint(desk.home))
    changed = await desk.moved(desk.own, task, "received", description="没有投诉")
    assert_outcome(changed, 422, "business-rule", "Task.description")
    gone = await desk.moved(desk.own, task, "received", input=[parameter("category", valueCode="fee")])
    assert_outcome(gone, 422, "business-rule", "Task.input")
    assert_outcome(await desk.own.delete(f"/Task/{task['id']}"), 422, "business-rule", "Task")
    assert_outcome(await desk.own.put(f"/Task/{task['id']}", task), 428, "required")
    assert_outcome(await desk.moved(desk.own, task, "overdue"), 422, "business-rule", "Task.businessStatus")


async def application(desk: Desk, grade: str = "F") -> Json:
    request = await desk.own.created(
        {
            "resourceType": "CoverageEligibilityRequest",
            "status": "active",
            "purpose": ["benefits"],
            "patient": {"reference": desk.patient},
            "created": desk.clock.now().date().isoformat(),
            "insurer": {"reference": f"Organization/{desk.agency}"},
        }
    )
    asked = await desk.own.created(
        observation(
            desk.patient,
            code=coded(f"{LTCI}-gate", "grade"),
            valueQuantity=None,
            valueCodeableConcept=coded("https://yiyang.example/fhir/CodeSystem/ltci-self-grade", grade),
        )
    )
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": coded(TASK_CODE, "ltci-determination"),
        "for": {"reference": desk.patient},
        "requester": {"reference": f"Organization/{desk.home}"},
        "owner": {"reference": f"Organization/{desk.agency}"},
        "input": [
            parameter("request", valueReference={"reference": f"CoverageEligibilityRequest/{request['id']}"}),
            parameter("self-assessment", valueReference={"reference": f"Observation/{asked['id']}"}),
        ],
    }


async def level(desk: Desk, code: str = "3", *, by: Fhir | None = None, **changes: Any) -> Json:
    """By who determines it, where nobody else is named."""
    made = await (by or desk.other).created(
        observation(
            desk.patient,
            code=coded(LTCI, "level"),
            valueQuantity=None,
            valueCodeableConcept=coded("https://yiyang.example/fhir/CodeSystem/ltci-level", code),
            **changes,
        )
    )
    return parameter("level", valueReference={"reference": f"Observation/{made['id']}"})


async def published(desk: Desk) -> Json:
    task = await desk.own.created(await application(desk))
    await desk.done(desk.other, task, "accepted")
    sent = [parameter("assessor", valueString="评估一队")]
    await desk.done(desk.other, task, "dispatched", output=sent)
    await desk.done(desk.other, task, "assessed", output=[*sent, await level(desk)])
    return await desk.done(desk.other, task, "published")


async def responses(desk: Desk) -> list[Json]:
    found = (await desk.own.get(f"/CoverageEligibilityResponse?patient={desk.patient}")).json().get("entry", ())
    return [each["resource"] for each in found]


async def test_a_determination_comes_into_effect_when_nobody_objects(desk: Desk) -> None:
    task = await published(desk)
    assert deadline(task) - datetime.fromisoformat(task["lastModified"]) == timedelta(days=7)
    await desk.after(days=6)
    assert await responses(desk) == []
    await desk.after(days=2)
    assert state(await desk.current(task)) == "effective"
    (response,) = await responses(desk)
    assert response["insurer"]["reference"] == f"Organization/{desk.agency}"
    assert (await desk.other.get(f"/CoverageEligibilityResponse/{response['id']}")).status_code == 200
    assert response["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "3"
    start, end = response["servicedPeriod"]["start"], response["servicedPeriod"]["end"]
    assert int(end[:4]) - int(start[:4]) in (1, 2)


async def test_an_objection_stops_the_clock_and_leads_to_another_assessment_once(desk: Desk) -> None:
    task = await published(desk)
    said = [*task["output"], parameter("objection", valueString="评估时老人正发热")]
    await desk.done(desk.own, task, "objected", output=said)
    await desk.after(days=30)
    assert state(await desk.current(task)) == "objected"
    await desk.done(desk.other, task, "assessed", output=[*said, await level(desk, "4")])
    again = await desk.done(desk.other, task, "published")
    more = [*again["output"], parameter("objection", valueString="仍不同意")]
    assert_outcome(await desk.moved(desk.own, task, "objected", output=more), 422, "business-rule")
    await desk.after(days=8)
    (response,) = await responses(desk)
    assert response["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "4"


@pytest.mark.parametrize("grade", ["A", "D"])
async def test_only_grades_e_to_g_may_apply(desk: Desk, grade: str) -> None:
    answer = await desk.own.post("/Task", await application(desk, grade))
    assert_outcome(answer, 422, "business-rule", "Task.input[1].value")


async def test_a_level_is_final_and_of_the_same_elder(desk: Desk) -> None:
    task = await desk.own.created(await application(desk))
    await desk.done(desk.other, task, "accepted")
    sent = [parameter("assessor", valueString="评估一队")]
    await desk.done(desk.other, task, "dispatched", output=sent)
    early = await level(desk, status="preliminary")
    assert_outcome(await desk.moved(desk.other, task, "assessed", output=[*sent, early]), 422, "business-rule")
    of_task = desk.patient
    desk.patient = f"Patient/{(await desk.own.created({'resourceType': 'Patient'}))['id']}"
    team = {"resourceType": "CareTeam", "status": "active", "subject": {"reference": desk.patient}}
    await desk.own.created({**team, "participant": [{"member": {"reference": f"Organization/{desk.agency}"}}]})
    others = await level(desk)
    desk.patient = of_task
    assert_outcome(await desk.moved(desk.other, task, "assessed", output=[*sent, others]), 422, "business-rule")


@pytest.mark.parametrize("asks", ["institution", "elder"])
async def test_nobody_determines_the_level_that_it_applies_for(desk: Desk, asks: str) -> None:
    who = {"reference": desk.patient} if asks == "elder" else {"reference": f"Organization/{desk.home}"}
    own = await application(desk) | {"owner": {"reference": f"Organization/{desk.home}"}, "requester": who}
    assert_outcome(await desk.own.post("/Task", own), 422, "business-rule", "Task.owner")


async def test_an_output_tells_nothing_of_what_is_out_of_sight(desk: Desk) -> None:
    """Whether it is there, of whom, final, or of which value is all the same: it is not found."""
    task = await desk.own.created(await application(desk))
    await desk.done(desk.other, task, "accepted")
    sent = [parameter("assessor", valueString="评估一队")]
    await desk.done(desk.other, task, "dispatched", output=sent)
    told = []
    hidden = [await level(desk, by=desk.own), await level(desk, by=desk.own, status="preliminary")]
    for each in (*hidden, parameter("level", valueReference={"reference": "Observation/none-here"})):
        answer = await desk.moved(desk.other, task, "assessed", output=[*sent, each])
        assert_outcome(answer, 422, "value", "Task.output[1].value")
        told.append(answer.json())
    assert told[0] == told[1] == told[2]


async def test_a_level_is_brought_by_the_assessment_and_by_no_other_act(desk: Desk) -> None:
    task = await published(desk)
    said = [*task["output"], parameter("objection", valueString="评估时老人正发热")]
    better = await level(desk, "5", by=desk.own)
    wrong = await desk.moved(desk.own, task, "objected", output=[*said, better])
    assert_outcome(wrong, 422, "business-rule", "Task.output[3]")
    await desk.done(desk.own, task, "objected", output=said)
    upheld = await desk.moved(
        desk.other, task, "published", output=[*said, await level(desk, "5")], statusReason={"text": "维持"}
    )
    assert_outcome(upheld, 422, "business-rule", "Task.output[3]")


def test_every_state_is_reached_and_every_end_is_one_of_fhirs() -> None:
    for workflow in workflows().values():
        reached = {move.to for move in workflow.moves}
        assert {each.code for each in workflow.states} <= reached
        ends = {each.code for each in workflow.states} - {source for move in workflow.moves for source in move.from_}
        assert {workflow.state(each).status for each in ends} <= {"completed", "rejected", "cancelled", "failed"}
