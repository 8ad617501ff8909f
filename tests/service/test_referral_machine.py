"""A crowd does anything at any time and at once, the clock leaps, workers and connections die: I1-I10 hold (docs/referral-workflow.md).

Hypothesis draws it: https://hypothesis.readthedocs.io/en/latest/stateful.html. YIYANG_SOAK=n draws n times as much, anew each time.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, ClassVar, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.referral.states import state_of
from services.referral.workflow import MOVES, actions
from tests.crowd import Crowd
from tests.house import Response
from tests.invariants import ANYBODY
from tests.rivals import rivals

pytestmark = pytest.mark.long

Json = dict[str, Any]
SOAK: Final = max(1, int(float(os.environ.get("YIYANG_SOAK", "1"))))
EXAMPLES: Final = 5 * SOAK
STEPS: Final = 12
INSTANCES: Final = 3
STRAIGHT: Final = ("submit", "accept", "schedule", "arrive", "treat", "feedback", "acknowledge")
SEEN: Final = {*STRAIGHT[:5]}
"""What every run must have seen; the acts that end a referral come only among all others."""
RARE: Final = frozenset({"request-void", "void", "withdraw", "reject", "terminate", "supplement"})
BY_PARTIES: Final = [m.act for m in MOVES if m.by != "C" and not m.new and m.act not in ("draft", "edit")]
EXPECTED: Final = frozenset({200, 201, 403, 404, 409, 412, 422, 428, 503})
"""What an act may be answered: done, or refused; 503 where its connection was broken."""


class Refer(NamedTuple):
    """A new referral of an elder; two for the same service are twins."""

    elder: int
    owner: int
    is_twin: bool


class Also(NamedTuple):
    """Another institution for the same request."""

    task: int
    owner: int


class Act(NamedTuple):
    """One of the acts that are open, or of all; `by` its own party, or anybody. Who loses `patience` breaks off in the middle."""

    task: int
    act: int
    is_open: bool
    by: int
    patience: float | None


class Ring(NamedTuple):
    """The clockwork of an instance does what is due."""


class Cut(NamedTuple):
    """A worker is killed: what the database sees of it is that connections end."""


Step = Refer | Also | Act | Ring | Cut
WHICH: Final = st.integers(0, 30)
OWNER: Final = st.integers(1, 3)
MOVE: Final = st.builds(
    Act,
    WHICH,
    WHICH,
    st.sampled_from([True] * 6 + [False]),
    st.sampled_from([1] * 8 + [-1, -2, -3]),
    st.sampled_from([None] * 8 + [0.004, 0.02]),
)
STEP: Final = st.one_of(
    MOVE,
    MOVE,
    MOVE,
    st.builds(Refer, st.integers(0, 3), OWNER, st.booleans()),
    st.builds(Also, WHICH, OWNER),
    st.just(Ring()),
    st.just(Cut()),
)


class Referrals(RuleBasedStateMachine):
    """One example is a crowd of new elders in the same house; `runner` has the loop in which it lives."""

    runner: ClassVar[asyncio.Runner]
    crowd: ClassVar[Crowd]

    @initialize()
    def begin(self) -> None:
        self.runner.run(self.crowd.begin())
        self.at_once([Refer(0, 1, is_twin=False), Refer(1, 2, is_twin=False), Refer(2, 1, is_twin=True)])

    @rule(steps=st.lists(STEP, min_size=2, max_size=6))
    def at_once(self, steps: list[Step]) -> None:
        self.runner.run(self._at_once(steps))

    @rule(task=WHICH, further=st.integers(1, 7))
    def goes_on(self, task: int, further: int) -> None:
        """One of them a good way further, each act after the other."""
        self.runner.run(self._goes_on(task, further))

    @rule(hours=st.sampled_from((0.3, 0.6, 3, 8)))
    def time_goes_by(self, hours: float) -> None:
        self.crowd.house.clock.leap(timedelta(hours=hours))

    @invariant()
    def holds(self) -> None:
        assert self.runner.run(self.crowd.faults()) == []

    def teardown(self) -> None:
        assert self.runner.run(self.crowd.open_to_the_wrong()) == []

    async def _at_once(self, steps: list[Step]) -> None:
        tasks = await self.crowd.tasks()
        doing = [self._do(step, tasks, place % INSTANCES) for place, step in enumerate(steps)]
        for answer in await asyncio.gather(*doing):
            assert answer is None or answer.status_code in EXPECTED, answer.text

    async def _do(self, step: Step, tasks: list[Json], instance: int) -> Response | None:
        match step:
            case Refer(elder, owner, is_twin):
                return await self.crowd.refer(elder, owner, instance, twin=is_twin)
            case Ring():
                await self.crowd.ring(instance)
            case Cut():
                await self.crowd.cut()
            case Also(task, owner) if tasks:
                return await self.crowd.ask_also(tasks[task % len(tasks)], owner, instance)
            case Act(task, act, is_open, by, patience) if tasks:
                chosen = tasks[task % len(tasks)]
                doing = self.crowd.act(chosen, _chosen(chosen, act, is_open=is_open), by, instance)
                return await _patiently(doing, patience)
        return None

    async def _goes_on(self, place: int, further: int) -> None:
        for _ in range(further):
            tasks = await self.crowd.tasks()
            task = tasks[place % len(tasks)]
            open_now = {move.act for move in actions(task, ANYBODY)}
            act = next((each for each in STRAIGHT if each in open_now and not _is_there(each, task)), None)
            if act is None:
                return
            answer = await self.crowd.act(task, act, 1, 0)
            assert answer.status_code in EXPECTED, answer.text


def _is_there(act: str, task: Json) -> bool:
    """Is it open and leads nowhere new?"""
    return act == "schedule" and state_of(task) == "scheduled"


def _chosen(task: Json, number: int, *, is_open: bool) -> str:
    usual = [m.act for m in actions(task, ANYBODY) if m.act in BY_PARTIES and m.act not in RARE]
    among = usual if is_open and usual else BY_PARTIES
    return among[number % len(among)]


async def _patiently(doing: Any, patience: float | None) -> Response | None:
    try:
        async with asyncio.timeout(patience):
            answer: Response = await doing
            return answer
    except TimeoutError:
        return None


async def _made(stack: AsyncExitStack, database_url: str) -> Crowd:
    return await Crowd.made(await stack.enter_async_context(rivals(database_url, instances=INSTANCES)))


def test_the_invariants_hold_whatever_comes_together(database_url: str) -> None:
    drawn = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=SOAK == 1,
        database=None,
        phases=[Phase.generate],  # it is no use to shrink what depends on who is faster
        suppress_health_check=list(HealthCheck),
    )
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        Referrals.runner, Referrals.crowd = runner, runner.run(_made(stack, database_url))
        try:
            run_state_machine_as_test(Referrals, settings=drawn)
            assert runner.run(Referrals.crowd.acts()) >= SEEN
        finally:
            runner.run(stack.aclose())
