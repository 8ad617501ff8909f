"""Twenty thousand random requests in random worlds: every answer is what a plain model of access says (docs/security.md).

YIYANG_SOAK prolongs it, in seconds; YIYANG_SEED repeats a run.
"""

import asyncio
import os
import secrets
import time
from random import Random
from typing import Final

import pytest

from services.fhir.bulk.worker import Worker
from services.kit.caller import Caller
from services.kit.peers import Peers
from tests.bulk import database, worker
from tests.house import Fhir
from tests.leak.probes import Probes
from tests.leak.world import World

__all__ = ["database", "worker"]
pytestmark = pytest.mark.long

REQUESTS: Final = 20_000
OF_A_WORLD: Final = 4_000
SOAK: Final = float(os.environ.get("YIYANG_SOAK", "0"))
STEPS: Final = 120
AT_ONCE: Final = 4


async def test_no_answer_tells_more_than_the_caller_may_know(house: Peers, worker: Worker) -> None:
    seed = int(os.environ.get("YIYANG_SEED", "0")) or secrets.randbits(32)
    random, until, asked, worlds = Random(seed), time.monotonic() + SOAK, 0, 0  # noqa: S311
    caller = Caller("leak", "leak", None, ("system/*.cruds",), "TREAT", "request-1", "jti-1")
    try:
        while asked < REQUESTS or time.monotonic() < until:
            world = World(Fhir(house, caller, introduces=False), random, f"leak-{secrets.token_hex(3)}")
            await world.build(STEPS)
            probes = Probes(world, worker)
            await asyncio.gather(*(_ask(probes) for _ in range(AT_ONCE)))
            asked, worlds = asked + probes.asked, worlds + 1
    except AssertionError as error:
        raise AssertionError(f"YIYANG_SEED={seed}: {error}") from error
    print(f"{asked} requests in {worlds} worlds without a leak, seed {seed}")  # noqa: T201


async def _ask(probes: Probes) -> None:
    while probes.asked < OF_A_WORLD:
        await probes.one()
