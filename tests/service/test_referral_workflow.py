"""The two-way referral on the real server: every act of the table through PUT, and what comes with it (docs/referral-workflow.md)."""

import pytest

from services.referral.states import STATES, state_of
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import WAY, Scene


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


@pytest.mark.parametrize("state", WAY)
async def test_every_state_is_reached_and_the_request_follows(scene: Scene, state: str) -> None:
    task = await scene.at(state)
    assert (state_of(task), task["status"]) == (state, STATES[state].task)
    assert (await scene.order_of(task))["status"] == STATES[state].request


async def test_a_referral_needs_no_version_but_the_right_one(scene: Scene) -> None:
    task = await scene.submitted()
    path = f"/Task/{task['id']}"
    assert_outcome(await scene.fulfiller.put(path, task), 428, "required")
    assert_outcome(await scene.fulfiller.put(path, task, if_match='W/"9"'), 412, "conflict")
