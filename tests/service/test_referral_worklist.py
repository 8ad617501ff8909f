"""The worklist of a referral desk is one search: deadline, direction, state, priority and the other party (docs/referral-workflow.md)."""

from typing import Any

import pytest

from services.referral.codes import TASK_CODE
from tests.house import Fhir
from tests.referrals import Scene

Json = dict[str, Any]


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


async def found(fhir: Fhir, query: str) -> list[Json]:
    answer = await fhir.get(f"/Task?code={TASK_CODE}|referral&{query}", prefer="handling=strict")
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ())]


def ids(resources: list[Json]) -> list[str]:
    return [each["id"] for each in resources]


async def test_a_worklist_is_sorted_by_deadline_and_has_patient_and_request(scene: Scene) -> None:
    routine = await scene.submitted(scene.request(priority="routine"))
    stat = await scene.submitted(scene.request(priority="stat"))
    urgent = await scene.submitted(scene.request(priority="urgent"))
    owner = f"owner=Organization/{scene.organizations[1]}"
    listed = await found(scene.fulfiller, f"{owner}&business-status=submitted&_sort=deadline")
    assert ids(listed) == [stat["id"], urgent["id"], routine["id"]]
    whole = await found(scene.fulfiller, f"{owner}&_include=Task:patient&_include=Task:focus")
    assert sorted(each["resourceType"] for each in whole) == ["Patient", *["ServiceRequest"] * 3, *["Task"] * 3]
    late = await found(
        scene.fulfiller, f"{owner}&deadline=lt{urgent['restriction']['period']['end'].replace('+', '%2B')}"
    )
    assert ids(late) == [stat["id"]]


async def test_direction_priority_and_the_other_party_are_searched_by(scene: Scene) -> None:
    task = await scene.submitted(scene.request(priority="stat"))
    other = await scene.submitted(owner=2)
    party = f"party=Organization/{scene.organizations[0]}"
    assert ids(await found(scene.fulfiller, f"{party}&direction=up&priority=stat")) == [task["id"]]
    assert ids(await found(scene.fulfiller, f"{party}&direction=down")) == []
    both = await found(scene.placer, f"{party}&_sort=-deadline")
    assert set(ids(both)) == {task["id"], other["id"]}
    assert ids(await found(scene.placer, f"{party}&party=Organization/{scene.organizations[2]}")) == [other["id"]]


async def test_the_states_of_a_worklist_are_counted_in_one_batch(scene: Scene) -> None:
    await scene.submitted()
    await scene.at("accepted")
    owner = f"owner=Organization/{scene.organizations[1]}"
    urls = [f"Task?{owner}&business-status={state}&_summary=count" for state in ("submitted", "accepted", "closed")]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answer = await scene.fulfiller.post("/", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert [each["resource"]["total"] for each in answer.json()["entry"]] == [1, 1, 0]
