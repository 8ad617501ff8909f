"""What is counted of referrals, by when they reached which state, from their versions (docs/indicators.md)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.fhir.tasks.table import PARAMETER, TASK_CODE, workflows
from services.kit.clock import LeapingClock
from tests.builders import coded
from tests.bulk import database
from tests.house import HIS, Fhir, in_one_process
from tests.referrals import Scene

__all__ = ["database"]

Json = dict[str, Any]


@pytest.fixture
async def scene(clean_database: str) -> AsyncIterator[Scene]:
    clock = LeapingClock()
    async with in_one_process(clean_database, clock=clock) as peers:
        yield await Scene.set(Fhir(peers, HIS, clock=clock))


async def told(client: Fhir, measure: str) -> dict[str, Json]:
    """The groups by their English names."""
    year = client.clock.now().year
    answer = await client.get(f"/Measure/{measure}/$evaluate-measure?periodStart={year - 1}&periodEnd={year + 1}")
    assert answer.status_code == 200, answer.text
    return {each["code"]["text"].rpartition(" · ")[2]: each for each in answer.json()["group"]}


def numbers(group: Json) -> tuple[int, ...]:
    return tuple(each["count"] for each in group["population"])


async def test_the_loop_is_closed_by_feedback_after_acceptance(scene: Scene) -> None:
    for state in ("submitted", "rejected", "accepted", "closed", "terminated", "feedback-sent"):
        await scene.meet()
        await scene.at(state)
    closed = await told(scene.placer, "referral-closed-loop")
    assert numbers(closed["Closed loop of referrals"]) == (4, 2)
    flow = await told(scene.placer, "referral-flow")
    assert numbers(flow["Share of referrals that go down"]) == (6, 0)
    assert numbers((await told(scene.fulfiller, "referral-flow"))["No-shows"]) == (4, 0)


async def test_an_emergency_is_on_time_within_a_quarter_of_an_hour(scene: Scene) -> None:
    for minutes in (0, 14, 16):
        await scene.meet()
        task = await scene.submitted(scene.request(priority="stat"))
        scene.clock.leap(timedelta(minutes=minutes))  # type: ignore[attr-defined] # the fixture's own clock
        await scene.done(task, "accept")
    await scene.meet()
    await scene.submitted(scene.request(priority="stat"))  # nobody answers
    await scene.meet()
    await scene.at("accepted")  # no emergency
    found = await told(scene.fulfiller, "green-channel-on-time")
    assert numbers(found["Green channel on time"]) == (4, 2)
    flow = await told(scene.fulfiller, "referral-flow")
    assert numbers(flow["Mean time to acceptance"]) == (4, 30)
    assert flow["Mean time to acceptance"]["measureScore"] == {
        "value": 7.5,
        "system": "http://unitsofmeasure.org",
        "code": "min",
    }


def complaint(owner: str) -> Json:
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": coded(TASK_CODE, "complaint"),
        "description": "饭菜太凉",
        "owner": {"reference": f"Organization/{owner}"},
        "input": [{"type": coded(PARAMETER, "category"), "valueCode": "service"}],
    }


async def replied(client: Fhir, task: Json) -> None:
    """Received and answered, by who answers."""
    system, output = workflows()["complaint"].system, {"type": coded(PARAMETER, "resolution"), "valueString": "已处理"}
    for state, more in (("received", {}), ("replied", {"output": [output]})):
        body = (await client.get(f"/Task/{task['id']}")).json() | {"businessStatus": coded(system, state)} | more
        answer = await client.put(f"/Task/{task['id']}", body, if_match=f'W/"{body["meta"]["versionId"]}"')
        assert answer.status_code == 200, answer.text


async def test_a_complaint_is_answered_in_time_within_fifteen_days(scene: Scene) -> None:
    home = scene.fulfiller
    for days in (1, 16):
        task = await home.created(complaint(home.caller.organization))
        scene.clock.leap(timedelta(days=days))  # type: ignore[attr-defined] # the fixture's own clock
        await replied(home, task)
    await home.created(complaint(home.caller.organization))
    found = await told(home, "complaints")
    assert numbers(found["Complaints answered"]) == (3, 2)
    assert numbers(found["Answered in time"]) == (3, 1)
