"""Twenty thousand random requests in random worlds: every answer is what a plain model of access says (docs/security.md).

YIYANG_SOAK prolongs it, in seconds; YIYANG_SEED repeats a run.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from random import Random
from typing import Final

import pytest

from services.fhir.bulk.worker import Worker
from services.fhir.subscriptions.notifier import Notifier
from services.kit.caller import Caller
from services.kit.database import Database, role_of
from services.kit.peers import Peers
from services.records.app import create_app
from tests.bulk import database, worker
from tests.house import Fhir
from tests.leak.probes import Probes
from tests.leak.world import World
from tests.receiver import receiving
from tests.subscriptions import AT_ONCE, settings

__all__ = ["database", "worker"]
pytestmark = pytest.mark.long

REQUESTS: Final = 20_000
OF_A_WORLD: Final = 4_000
SOAK: Final = float(os.environ.get("YIYANG_SOAK", "0"))
STEPS: Final = 120
ASKERS: Final = 4


@pytest.fixture
async def notifier(house: Peers, database_url: str) -> AsyncIterator[Notifier]:
    own = settings(database_url)
    database = Database(database_url, role=role_of("records"))
    service = create_app(own, database=database, peers=house).state.notifier.service
    yield Notifier(service, house.bell, AT_ONCE)
    await service.outbound.close()
    await database.close()


async def test_no_answer_tells_more_than_the_caller_may_know(house: Peers, worker: Worker, notifier: Notifier) -> None:
    seed = int(os.environ.get("YIYANG_SEED", "0")) or secrets.randbits(32)
    random, until, asked, worlds = Random(seed), time.monotonic() + SOAK, 0, 0  # noqa: S311
    caller = Caller("leak", "leak", None, ("system/*.cruds",), "TREAT", "request-1", "jti-1")
    try:
        while asked < REQUESTS or time.monotonic() < until:
            name = f"leak-{secrets.token_hex(3)}"
            async with receiving() as receiver:
                world = World(Fhir(house, caller, introduces=False), random, name, notifier, receiver)
                await world.build(STEPS)
                probes = Probes(world, worker)
                await asyncio.gather(*(_ask(probes) for _ in range(ASKERS)))
                asked, worlds = asked + probes.asked, worlds + 1
    except AssertionError as error:
        raise AssertionError(f"YIYANG_SEED={seed}: {error}") from error
    print(f"{asked} requests in {worlds} worlds without a leak, seed {seed}")  # noqa: T201


async def _ask(probes: Probes) -> None:
    while probes.asked < OF_A_WORLD:
        await probes.one()
