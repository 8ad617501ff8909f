"""Every (state × act × actor) that the table does not name is refused by the server: 422, no new version, no event (docs/referral-workflow.md)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.referral.states import STATES, state_of
from services.referral.workflow import ACTS, MOVES, Actor, act_of
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import Scene, moved
from tests.rivals import Rivals, rivals

Json = dict[str, Any]

MOVED = [move.act for move in MOVES if not move.new]
NO_OPERATION = frozenset({"draft", "edit", *(move.act for move in MOVES if move.by == "C")})
BY_THE_CLOCK = {"expired": timedelta(days=4), "no-show": timedelta(hours=6)}


@pytest.fixture(scope="module")
async def house(database_url: str) -> AsyncIterator[Rivals]:
    async with rivals(database_url, instances=1) as house:
        yield house


@pytest.fixture
async def scene(house: Rivals) -> Scene:
    return await Scene.set(house.clients[0])


def actors(scene: Scene) -> dict[str, tuple[Fhir, frozenset[Actor]]]:
    """Who asks, and what it is to the referral by the table: a stranger and who calls itself the clock are nobody."""
    nobody: frozenset[Actor] = frozenset()
    return {
        "P": (scene.placer, frozenset({"P", "A"})),
        "F": (scene.fulfiller, frozenset({"F"})),
        "C": (scene.other.as_(client="yiyang-clock", organization="", purpose="HOPERAT"), nobody),
        "P as C": (scene.placer.as_(client="yiyang-clock"), frozenset({"P", "A"})),
        "stranger": (scene.other, nobody),
    }


async def reached(state: str, scene: Scene, house: Rivals) -> Json:
    """A referral in this state, whoever has to do what for it."""
    if state == "not-selected":
        task = await scene.submitted()
        sibling = await scene.also_asked(task)
        assert (await scene.act(sibling, "accept", by=scene.other)).status_code == 200
        return await scene.current(task)
    if state not in BY_THE_CLOCK:
        return await scene.at(state)
    task = await scene.at("scheduled" if state == "no-show" else "submitted")
    await house.ring(BY_THE_CLOCK[state])
    return await scene.current(task)


async def events(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM fhir.change")
        return count
    finally:
        await connection.close()


def may(scene: Scene, task: Json, act: str, by: frozenset[Actor]) -> bool:
    """Does the table name what this version does, for these actors?"""
    changed, _ = scene.accompanied(task, act)
    found = act_of(task, moved(task, act) | changed, by)
    return found is not None and bool(found.actors & by)


@pytest.mark.parametrize("state", STATES)
async def test_what_the_table_does_not_name_is_refused_and_leaves_no_trace(
    house: Rivals, scene: Scene, state: str, database_url: str
) -> None:
    """By PUT, with everything that the act needs beside it, and by the operation."""
    task = await reached(state, scene, house)
    assert state_of(task) == state
    before = await events(database_url)
    for act in MOVED:
        for name, (client, by) in actors(scene).items():
            if may(scene, task, act, by):
                continue
            answer = await scene.act(task, act, by=client)
            assert answer.status_code in (404, 422), (act, name, answer.text)
            if act not in NO_OPERATION and not (state in ACTS[act].sources and ACTS[act].actors & by):
                answer = await client.post(f"/Task/{task['id']}/${act}", {"resourceType": "Parameters"})
                assert answer.status_code in (404, 422), (act, name, answer.text)
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
