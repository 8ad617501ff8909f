"""Every (state × act × actor) that the table does not name is refused by the server: 422, no new version, no event (docs/referral-workflow.md)."""

from typing import Any

import asyncpg
import pytest

from services.referral.states import STATES, state_of
from services.referral.workflow import ACTS, MOVES, Actor, act_of
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import WAY, Scene, moved

Json = dict[str, Any]

PARTIES: dict[Actor, int] = {"P": 0, "F": 1}
ASKED = [move.act for move in MOVES if not move.new and move.act not in ("draft", "edit", "submit")]


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


async def events(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM fhir.change")
        return count
    finally:
        await connection.close()


def may(scene: Scene, task: Json, act: str, actor: Actor) -> bool:
    """Does the table name what this version does, for this actor? An administrator is the placer's."""
    changed, _ = scene.accompanied(task, act)
    actors: set[Actor] = {"P", "A"} if actor == "P" else {actor}
    found = act_of(task, moved(task, act) | changed, actors)
    return found is not None and bool(found.actors & actors)


@pytest.mark.parametrize("state", WAY)
async def test_what_the_table_does_not_name_is_refused_and_leaves_no_trace(
    scene: Scene, state: str, database_url: str
) -> None:
    """By PUT, with everything that the act needs beside it; the operations say the same."""
    task = await scene.at(state)
    before = await events(database_url)
    for act in ASKED:
        for actor, party in PARTIES.items():
            if may(scene, task, act, actor):
                continue
            answer = await scene.act(task, act, by=scene.clients[party])
            assert answer.status_code in (404, 422), (act, actor, answer.text)
            if state in ACTS[act].sources or ACTS[act].by == "C":
                continue
            answer = await scene.clients[party].post(f"/Task/{task['id']}/${act}", {"resourceType": "Parameters"})
            assert answer.status_code in (404, 422), (act, actor, answer.text)
    assert await events(database_url) == before
    assert (await scene.current(task))["meta"]["versionId"] == task["meta"]["versionId"]


@pytest.mark.parametrize("target", STATES)
async def test_no_state_is_reached_but_by_its_act(scene: Scene, target: str) -> None:
    """A new Task begins as a draft or submitted, and nowhere else."""
    if target in ("draft", "submitted"):
        return
    answer = await scene.placer.post("/", scene.submission(at=target))
    assert_outcome(answer, 422, "business-rule")


async def test_nobody_else_and_no_client_of_the_clocks_name_moves_a_referral(scene: Scene) -> None:
    task = await scene.submitted()
    version = f'W/"{task["meta"]["versionId"]}"'
    expired = moved(task, "expire")
    for client in (scene.other, scene.other.as_(client="yiyang-clock")):
        assert (await client.put(f"/Task/{task['id']}", expired, if_match=version)).status_code == 404
    for party in (scene.placer, scene.fulfiller):
        posing = party.as_(client="yiyang-clock")
        assert_outcome(await posing.put(f"/Task/{task['id']}", expired, if_match=version), 422, "business-rule")


async def test_a_referral_is_never_deleted(scene: Scene) -> None:
    task = await scene.submitted()
    version = f'W/"{task["meta"]["versionId"]}"'
    assert_outcome(await scene.placer.delete(f"/Task/{task['id']}", if_match=version), 422, "business-rule")
    order = task["focus"]["reference"]
    assert_outcome(await scene.placer.delete(f"/{order}", if_match='W/"1"'), 422, "business-rule")
    assert state_of(await scene.current(task)) == "submitted"
