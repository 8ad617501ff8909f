"""Two acts at once on one referral, round after round: exactly one stands, the other is told what is so now, nothing is half done.

docs/referral-workflow.md (I1, I10). YIYANG_SOAK=n makes each race n times as long.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from services.referral.states import state_of
from tests.house import Response
from tests.referrals import Scene
from tests.rivals import Rivals, rivals

pytestmark = pytest.mark.long

Json = dict[str, Any]
SOAK: Final = max(1, int(float(os.environ.get("YIYANG_SOAK", "1"))))
ROUNDS: Final = 200 * SOAK
AT_ONCE: Final = 8
"""Rounds that run at the same time, each about an elder of its own: the races are run in a crowd."""
LATEST: Final = 0.1
LOSING: Final = frozenset({409, 412, 422})
WANTING: Final = 20


@pytest.fixture(scope="module")
async def house(database_url: str) -> AsyncIterator[Rivals]:
    async with rivals(database_url, instances=3) as house:
        yield house


@pytest.fixture
async def scene(house: Rivals) -> Scene:
    return await Scene.set(house.clients[0])


async def soon(answer: Awaitable[Response]) -> Response:
    """Within the time of an act: neither side is always first."""
    await asyncio.sleep(random.uniform(0, LATEST))  # noqa: S311
    return await answer


async def rounds(race: Callable[[], Awaitable[str]]) -> Counter[str]:
    """Who won how often."""
    won: Counter[str] = Counter()
    for _ in range(0, ROUNDS, AT_ONCE):
        won.update(await asyncio.gather(*(race() for _ in range(AT_ONCE))))
    return won


def winner(**answers: Response) -> str:
    """Exactly one has got it; who has not is told so."""
    won = [name for name, answer in answers.items() if answer.status_code == 200]
    lost = [answer for answer in answers.values() if answer.status_code != 200]
    assert len(won) == 1, [(name, each.status_code, each.text) for name, each in answers.items()]
    assert all(each.status_code in LOSING for each in lost), [(each.status_code, each.text) for each in lost]
    return won[0]


async def test_accept_and_withdraw_at_once(house: Rivals, scene: Scene) -> None:
    async def race() -> str:
        task = await scene.submitted()
        accepted, withdrawn = await asyncio.gather(
            soon(scene.act(task, "accept", by=house.at(scene.fulfiller, 1))),
            soon(scene.act(task, "withdraw", by=house.at(scene.placer, 2))),
        )
        won = winner(accepted=accepted, withdrawn=withdrawn)
        assert state_of(await scene.current(task)) == won
        assert (await scene.order_of(task))["status"] == {"accepted": "active", "withdrawn": "revoked"}[won]
        return won

    won = await rounds(race)
    assert won.total() >= ROUNDS
    assert len(won) == 2
    assert await house.faults(scene) == []


async def test_two_institutions_accept_at_once(house: Rivals, scene: Scene) -> None:
    async def race() -> str:
        task = await scene.submitted()
        sibling = await scene.also_asked(task)
        first, second = await asyncio.gather(
            soon(scene.act(task, "accept", by=house.at(scene.fulfiller, 1))),
            soon(scene.act(sibling, "accept", by=house.at(scene.other, 2))),
        )
        won = winner(first=first, second=second)
        states = [state_of(await scene.current(each)) for each in (task, sibling)]
        assert states == (["accepted", "not-selected"] if won == "first" else ["not-selected", "accepted"])
        return won

    won = await rounds(race)
    assert won.total() >= ROUNDS
    assert len(won) == 2
    assert await house.faults(scene) == []


async def test_an_institution_accepts_while_the_clock_lets_the_referral_expire(house: Rivals, scene: Scene) -> None:
    """Half of those who come at the last moment are too late, and none is both."""
    won: Counter[str] = Counter()
    for _ in range(0, ROUNDS, AT_ONCE):
        tasks = await asyncio.gather(*(scene.submitted() for _ in range(AT_ONCE)))
        house.clock.leap(timedelta(hours=8, minutes=1))
        ringing = [asyncio.create_task(each.work()) for each in house.clockworks]
        answers = await asyncio.gather(
            *(soon(scene.act(task, "accept", by=house.at(scene.fulfiller, 1))) for task in tasks)
        )
        await asyncio.gather(*ringing)
        await house.ring(timedelta(0))
        for task, answer in zip(tasks, answers, strict=True):
            state = state_of(await scene.current(task))
            assert (answer.status_code == 200) == (state == "accepted"), (state, answer.text)
            assert state == "accepted" or answer.status_code in LOSING, answer.text
            assert (await scene.order_of(task))["status"] == {"accepted": "active", "expired": "revoked"}[state]
            won[state] += 1
    assert won.total() >= ROUNDS
    assert len(won) == 2
    assert await house.faults(scene) == []


async def test_twenty_reserve_the_last_bed_at_once(house: Rivals, scene: Scene) -> None:
    """One gets it; once it gives it up, the nineteen others race anew, and another one joins."""
    key, waiting = f"bed:Location/{scene.organizations[1]}-bed", [await scene.at("accepted") for _ in range(WANTING)]
    for _ in range(ROUNDS):
        clients = [house.at(scene.fulfiller, n % len(house.clients)) for n in range(WANTING)]
        answers = await asyncio.gather(
            *(scene.act(task, "schedule", by=client) for task, client in zip(waiting, clients, strict=True))
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: WANTING - 1}
        (place,) = [n for n, answer in enumerate(answers) if answer.status_code == 200]
        winner = await scene.current(waiting[place])
        assert await holders(house, key) == [f"Task/{winner['id']}"]
        await scene.done(winner, "withdraw")
        assert await holders(house, key) == []
        waiting[place] = await scene.at("accepted")
    assert await house.faults(scene) == []


async def holders(house: Rivals, key: str) -> list[str]:
    async with house.database.connection() as connection:
        return [row["holder"] for row in await connection.fetch("SELECT holder FROM fhir.hold WHERE key = $1", key)]
