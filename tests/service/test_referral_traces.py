"""Every transition leaves one version, one Provenance, one AuditEvent and one event, in one commit (I4, I5): docs/referral-workflow.md"""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.referral.states import state_of
from services.referral.workflow import MOVES
from tests import invariants
from tests.referrals import WAY, Scene, reference
from tests.rivals import Rivals, rivals

CAPACITY = "https://yiyang.example/fhir/StructureDefinition/capacity"
FROM = {
    "supplement": "received",
    "answer": "info-requested",
    "resume": "paused",
    "interim": "treating",
    "agree-cancel": "cancel-requested",
    "refuse-cancel": "cancel-requested",
}
"""The acts that lie on no way to a state, and where they are done."""


@pytest.fixture(scope="module")
async def house(database_url: str) -> AsyncIterator[Rivals]:
    async with rivals(database_url, instances=1) as house:
        yield house


@pytest.fixture
async def scene(house: Rivals) -> Scene:
    """Its ward has room for all."""
    scene = await Scene.set(house.clients[0])
    bed = (await scene.fulfiller.get(f"/Location/{scene.organizations[1]}-bed")).json()
    wide = bed | {"extension": [{"url": CAPACITY, "valueInteger": 99}]}
    assert (await scene.fulfiller.put(f"/Location/{bed['id']}", wide)).status_code == 200
    return scene


async def acts_of(house: Rivals, scene: Scene) -> set[str]:
    async with house.database.connection() as connection:
        there = await invariants.ledger(connection, scene.organizations, house.clock.now())
    return {act for each in there.told.values() for act, _ in each}


async def test_every_act_of_a_party_leaves_each_of_its_traces_once(house: Rivals, scene: Scene) -> None:
    for state in WAY:
        await scene.meet()
        task = await scene.at(state)
        if state == "draft":
            task = await scene.done(task, "edit", note=[{"text": "草稿"}])
            await scene.done(task, "submit")
        if state == "rejected":
            await scene.also_asked(task)
    for act, state in FROM.items():
        await scene.meet()
        await scene.done(await scene.at(state), act)
    assert await acts_of(house, scene) == {
        move.act for move in MOVES if move.by != "C" and move.act not in ("no-show", "readdress")
    }
    assert await house.faults(scene) == []


async def test_one_request_to_two_institutions_leaves_the_traces_of_two_tasks(house: Rivals, scene: Scene) -> None:
    performers = [reference(f"Organization/{each}") for each in scene.organizations[1:]]
    resources = {
        "request": scene.request(performer=performers),
        "package": scene.package(),
        "consent": scene.consent(*scene.organizations[1:]),
    }
    sent = [{"name": name, "resource": each} for name, each in resources.items()]
    answer = await scene.placer.post("/ServiceRequest/$refer", {"resourceType": "Parameters", "parameter": sent})
    assert answer.status_code == 201, answer.text
    task = await scene.done(answer.json(), "reject")
    again = {"name": "performer", "valueReference": reference(f"Organization/{scene.organizations[1]}")}
    answer = await scene.placer.post(
        f"/Task/{task['id']}/$readdress", {"resourceType": "Parameters", "parameter": [again]}
    )
    assert answer.status_code == 201, answer.text
    async with house.database.connection() as connection:
        there = await invariants.ledger(connection, scene.organizations, house.clock.now())
    assert sorted(len(each) for each in there.tasks.values()) == [1, 1, 2]
    assert await house.faults(scene) == []


async def test_every_act_of_the_platform_leaves_each_of_its_traces_once(house: Rivals, scene: Scene) -> None:
    waiting = await scene.submitted()
    asked = await scene.submitted()
    await scene.done(await scene.also_asked(asked), "accept", by=scene.other)
    await scene.submitted(scene.request(priority="stat"), scene.package(but="8648-8"))
    await scene.at("scheduled")
    for _ in range(20):
        await house.ring(timedelta(hours=2))
    assert await acts_of(house, scene) >= {"escalate", "expire", "not-select", "no-show", "flag"}
    assert state_of(await scene.current(waiting)) == "expired"
    assert await house.faults(scene) == []
