"""A database that is away: 503 within two seconds, not ready, and back without a restart."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from services.kit.database import Database, DatabaseUnavailable
from tests.builders import patient
from tests.house import HIS, Fhir, in_one_process
from tests.matchers import assert_outcome
from tests.relay import Relay

PATIENCE = 2.0


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with Relay(database_url) as wire:
        yield wire


@pytest.fixture
async def remote(relay: Relay) -> AsyncIterator[Fhir]:
    """The house behind a wire that can be cut."""
    async with in_one_process(relay.url) as peers:
        yield Fhir(peers, HIS)


async def test_a_cut_database_is_told_in_time_and_comes_back_by_itself(remote: Fhir, relay: Relay) -> None:
    stored = await remote.created(patient())
    path = f"/Patient/{stored['id']}"
    await relay.cut()
    for attempt in (
        remote.get(path),
        remote.post("/Patient", patient()),
        remote.get("/Patient?name=x"),
        remote.put(path, stored),
    ):
        began = time.monotonic()
        answer = await attempt
        assert time.monotonic() - began < PATIENCE
        assert_outcome(answer, 503, "transient")
        assert answer.headers["retry-after"]
    assert await _ready(remote) == 503
    await relay.mend()
    assert (await remote.get(path)).status_code == 200
    assert (await remote.put(path, stored)).json()["meta"]["versionId"] == "2"
    assert await _ready(remote) == 200


async def test_a_database_that_was_never_there_is_told_too(remote: Fhir, relay: Relay) -> None:
    await relay.cut()
    began = time.monotonic()
    assert_outcome(await remote.get("/Patient/1"), 503, "transient")
    assert time.monotonic() - began < PATIENCE
    await relay.mend()
    assert_outcome(await remote.get("/Patient/1"), 404, "not-found")


async def _ready(fhir: Fhir) -> int:
    return (await fhir.peers.call("records", "GET", "/readyz", [], b"")).status


async def test_whatever_a_connection_says_that_was_ended_the_database_is_away(database_url: str) -> None:
    """One that was told of its end and not yet closed is given out by the pool like any other."""
    away, admin = Database(database_url, pool_size=4), Database(database_url, pool_size=1)

    async def ask() -> int:
        async with away.connection() as connection:
            return int(await connection.fetchval("SELECT 1"))

    async def end(pids: list[int]) -> None:
        async with admin.connection() as connection:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid = ANY($1)"
            await connection.execute(sql, pids)

    for _ in range(100):
        pids = [
            pid
            for pid in await asyncio.gather(*(pid_of(away) for _ in range(4)), return_exceptions=True)
            if isinstance(pid, int)
        ]
        ending = asyncio.create_task(end(pids))
        answers = []
        while not ending.done():
            answers += await asyncio.gather(*(ask() for _ in range(4)), return_exceptions=True)
        assert not [each for each in answers if each != 1 and not isinstance(each, DatabaseUnavailable)]
    await away.close()
    await admin.close()


async def pid_of(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))
