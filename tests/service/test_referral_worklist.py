"""The worklist of a referral desk is one search: deadline, direction, state, priority and the other party (docs/referral-workflow.md)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.fhir import reindexing
from services.fhir.search.index import index
from services.fhir.store import reindex
from services.kit.clock import StillClock
from services.kit.database import Database
from services.referral.codes import TASK_CODE
from services.referral.states import STATES
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
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


async def test_what_was_stored_before_there_were_such_parameters_is_found_too(
    scene: Scene, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older server indexed neither direction nor deadline nor the other party."""
    monkeypatch.setattr(reindexing, "FRESH_SECONDS", 0)
    task = await scene.submitted()
    query = f"party=Organization/{scene.organizations[0]}&direction=up&deadline=gt2020&_sort=deadline"
    assert ids(await found(scene.fulfiller, query)) == [task["id"]]
    database = Database(database_url)
    try:
        async with database.connection() as connection:
            await connection.execute(
                """UPDATE fhir.task SET quantities = NULL, tokens = ARRAY(
                SELECT t FROM unnest(tokens) t WHERE t NOT LIKE 'direction=%' AND t NOT LIKE 'party=%') WHERE id = $1""",
                task["id"],
            )
            assert ids(await found(scene.fulfiller, query)) == []
            await connection.execute("DELETE FROM fhir.reindex WHERE parameter = '~worklist'")
            learner = reindexing.Learner(database, StillClock(datetime.now(UTC) + timedelta(days=1)))
            await learner.fresh()
            while await reindex.step(connection, {"Task": index("Task", BASE)}, learner.versions, timedelta(0), None):
                pass
    finally:
        await database.close()
    assert ids(await found(scene.fulfiller, query)) == [task["id"]]


async def test_the_states_of_a_worklist_are_counted_at_once_and_no_further_than_asked(scene: Scene) -> None:
    for _ in range(3):
        await scene.submitted()
    await scene.submitted(scene.request(priority="stat"))
    await scene.submitted(owner=2)
    await scene.at("accepted")

    async def counts(fhir: Fhir, query: str) -> dict[str, tuple[int, bool]]:
        answer = await fhir.get(f"/Task/$state-counts?{query}")
        assert answer.status_code == 200, answer.text
        named = [{p["name"]: p for p in each["part"]} for each in answer.json()["parameter"]]
        return {p["code"]["valueCode"]: (p["number"]["valueInteger"], "more" in p) for p in named}

    owner = f"owner=Organization/{scene.organizations[1]}"
    mine = await counts(scene.fulfiller, owner)
    assert [*mine] == [*STATES]
    assert (mine["submitted"], mine["accepted"], mine["closed"]) == ((4, False), (1, False), (0, False))
    assert (await counts(scene.fulfiller, f"{owner}&most=2"))["submitted"] == (2, True)
    assert (await counts(scene.fulfiller, f"{owner}&priority=stat&direction=up"))["submitted"] == (1, False)
    assert (await counts(scene.placer, f"requester=Organization/{scene.organizations[0]}"))["submitted"] == (5, False)
    assert set((await counts(scene.other, owner)).values()) == {(0, False)}, "what is out of reach is not counted"
    assert_outcome(await scene.placer.get("/Task/$state-counts?most=1001"), 400, "value")
    assert_outcome(await scene.placer.get("/Task/$state-counts?color=red"), 400, "not-supported")
