"""Those who meet leave together: docs/adr/0023"""

import asyncio
from collections.abc import Sequence

import pytest

from services.fhir.store.gathering import Gathering


class Counter:
    """Answers each with its square, when it may; remembers who left together."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.may_go_on = asyncio.Event()

    async def answer(self, _kind: str, asked: Sequence[int]) -> list[int]:
        self.rounds.append([*asked])
        await self.may_go_on.wait()
        if 0 in asked:
            raise ValueError("none")
        return [each * each for each in asked]


async def asking(gathering: Gathering[str, int, int], *asked: int, kind: str = "one") -> list["asyncio.Task[int]"]:
    tasks = [asyncio.create_task(gathering.ask(kind, each)) for each in asked]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_while_one_is_under_way_leaves_with_the_next() -> None:
    counter = Counter()
    gathering = Gathering(counter.answer, most=2)
    tasks = await asking(gathering, 1)
    tasks += await asking(gathering, 2, 3, 4)
    other = await asking(gathering, 9, kind="two")
    counter.may_go_on.set()
    assert await asyncio.gather(*tasks, *other) == [1, 4, 9, 16, 81]
    assert counter.rounds == [[1], [9], [2, 3], [4]]


async def test_all_of_a_round_learn_of_its_failure_and_the_next_goes_on() -> None:
    counter = Counter()
    gathering = Gathering(counter.answer)
    tasks = await asking(gathering, 1)
    tasks += await asking(gathering, 0, 5)
    counter.may_go_on.set()
    assert await tasks[0] == 1
    for each in tasks[1:]:
        with pytest.raises(ValueError, match="none"):
            await each
    assert await gathering.ask("one", 3) == 9


async def test_who_was_cancelled_keeps_nobody_from_an_answer() -> None:
    counter = Counter()
    gathering = Gathering(counter.answer)
    tasks = await asking(gathering, 1)
    tasks += await asking(gathering, 2, 3)
    tasks[1].cancel()
    counter.may_go_on.set()
    assert [await tasks[0], await tasks[2]] == [1, 9]


async def test_of_the_same_the_first_leaves_alone() -> None:
    counter = Counter()
    gathering = Gathering(counter.answer, most=8, identity=lambda asked: asked % 10)
    tasks = await asking(gathering, 1)
    tasks += await asking(gathering, 2, 12, 3)
    counter.may_go_on.set()
    assert await asyncio.gather(*tasks) == [1, 4, 144, 9]
    assert counter.rounds == [[1], [2, 3], [12]]
