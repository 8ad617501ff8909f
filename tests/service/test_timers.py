"""Timers are set by the commit that enters a state, and their effect comes exactly once (docs/adr/0027)."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from services.fhir.business import Context, Intent
from services.fhir.clockwork import Clockwork
from services.kit.clock import LeapingClock
from services.kit.database import Database
from tests.bulk import database
from tests.clockworks import HOUR, expire, waiting, within
from tests.governed import House, Rule, as_they_are, governed_house
from tests.house import Fhir

__all__ = ["database"]

Json = dict[str, Any]

PROCESSES = 3
KILLS = 5
TASKS = 80


@pytest.fixture(scope="module")
def rule() -> Rule:
    return Rule()


@pytest.fixture(scope="module")
def clock() -> LeapingClock:
    return LeapingClock()


@pytest.fixture(scope="module")
async def governed(database_url: str, rule: Rule, clock: LeapingClock) -> AsyncIterator[House]:
    async with governed_house(database_url, rule, clock) as house:
        yield house


@pytest.fixture
async def fhir(governed: House, rule: Rule, database: Database) -> Fhir:
    rule.reset()
    rule.decide, rule.on_timer = within(HOUR), expire
    async with database.connection() as connection:
        await connection.execute("TRUNCATE fhir.timer")
    return governed.fhir


async def all_done(*clockworks: Clockwork) -> None:
    while any([await each.work() for each in clockworks]):
        pass


async def timers(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM fhir.timer"))


async def state(fhir: Fhir, stored: Json) -> tuple[str, int, int]:
    """Status, version and Provenances."""
    path = f"Task/{stored['id']}"
    found = (await fhir.get(f"/{path}")).json()
    told = (await fhir.get(f"/Provenance?target={path}&_summary=count")).json()["total"]
    return found["status"], int(found["meta"]["versionId"]), told


async def test_a_timer_does_nothing_before_its_time_and_its_act_once_when_it_comes(
    governed: House, fhir: Fhir, clock: LeapingClock, database: Database
) -> None:
    stored = await fhir.created(waiting())
    clock.leap(HOUR * 0.9)
    await all_done(governed.clockwork)
    assert await state(fhir, stored) == ("requested", 1, 0)
    clock.leap(HOUR * 0.2)
    await all_done(governed.clockwork)
    assert await state(fhir, stored) == ("cancelled", 2, 1)
    clock.leap(HOUR * 100)
    await all_done(governed.clockwork)
    assert await state(fhir, stored) == ("cancelled", 2, 1)
    assert await timers(database) == 0


async def test_the_audit_names_the_platforms_own_clock(
    governed: House, fhir: Fhir, clock: LeapingClock, database: Database
) -> None:
    stored = await fhir.created(waiting())
    clock.leap(HOUR * 1.1)
    await all_done(governed.clockwork)
    async with database.connection() as connection:
        sql = "SELECT interaction, status, client, organization FROM fhir.audit WHERE id = $1 AND version = 2"
        (row,) = await connection.fetch(sql, stored["id"])
    assert tuple(row) == ("update", 200, "yiyang-clock", "")


async def test_who_leaves_the_state_takes_its_timer_along(
    governed: House, fhir: Fhir, rule: Rule, clock: LeapingClock, database: Database
) -> None:
    stored = await fhir.created(waiting())
    await fhir.put(f"/Task/{stored['id']}", stored | {"status": "accepted"})
    assert await timers(database) == 0
    clock.leap(HOUR * 2)
    await all_done(governed.clockwork)
    assert rule.rung == []


async def test_a_refused_change_leaves_the_timer_as_it_was(
    governed: House, fhir: Fhir, clock: LeapingClock, database: Database
) -> None:
    stored = await fhir.created(waiting())
    refused = await fhir.put(f"/Task/{stored['id']}", stored | {"status": "accepted"}, if_match='W/"7"')
    assert refused.status_code == 412
    assert await timers(database) == 1
    clock.leap(HOUR * 2)
    await all_done(governed.clockwork)
    assert (await state(fhir, stored))[0] == "cancelled"


async def test_an_act_that_has_nothing_to_do_uses_its_timer_up(
    governed: House, fhir: Fhir, rule: Rule, clock: LeapingClock, database: Database
) -> None:
    stored = await fhir.created(waiting())
    rule.decide = as_they_are
    await fhir.put(f"/Task/{stored['id']}", stored | {"status": "accepted"})
    clock.leap(HOUR * 2)
    await all_done(governed.clockwork)
    assert await timers(database) == 0
    assert await state(fhir, stored) == ("accepted", 2, 0)


async def test_an_effect_that_fails_comes_later_and_stops_no_other(
    governed: House, fhir: Fhir, rule: Rule, clock: LeapingClock
) -> None:
    bad, good = await fhir.created(waiting()), await fhir.created(waiting())

    async def sometimes(holder: str, act: str, context: Context) -> Sequence[Intent]:
        if holder == f"Task/{bad['id']}" and len(rule.rung) < 5:
            raise RuntimeError("not now")
        return await expire(holder, act, context)

    rule.on_timer = sometimes
    clock.leap(HOUR * 1.1)
    await all_done(governed.clockwork)
    assert (await state(fhir, bad))[0] == "requested"
    assert (await state(fhir, good))[0] == "cancelled"
    for _ in range(5):
        clock.leap(HOUR)
        await all_done(governed.clockwork)
    assert await state(fhir, bad) == ("cancelled", 2, 1)


async def test_several_workers_at_once_do_each_act_once(
    governed: House, fhir: Fhir, rule: Rule, clock: LeapingClock, database_url: str
) -> None:
    """Also when their leases are over before they are done, so that several of them are at the same act."""
    stored = [await fhir.created(waiting()) for _ in range(12)]
    clock.leap(HOUR * 1.1)

    async def slowly(holder: str, act: str, context: Context) -> Sequence[Intent]:
        await asyncio.sleep(0.02)
        clock.leap(timedelta(seconds=5))
        return await expire(holder, act, context)

    rule.on_timer = slowly
    async with governed_house(database_url, rule, clock) as other, governed_house(database_url, rule, clock) as third:
        workers = [each.clockwork for each in (governed, other, third)]
        await asyncio.gather(*(all_done(each) for each in (*workers, *workers)))
    assert [await state(fhir, each) for each in stored] == [("cancelled", 2, 1)] * 12
    assert len(rule.rung) > len(stored)


async def test_a_user_and_the_clock_at_once_leave_one_of_both(
    governed: House, fhir: Fhir, clock: LeapingClock, database: Database
) -> None:
    for _ in range(20):
        stored = await fhir.created(waiting())
        clock.leap(HOUR * 1.1)
        accepting = fhir.put(f"/Task/{stored['id']}", stored | {"status": "accepted"}, if_match='W/"1"')
        answer, _ = await asyncio.gather(accepting, all_done(governed.clockwork))
        expected = ("accepted", 2, 0) if answer.status_code == 200 else ("cancelled", 2, 1)
        assert await state(fhir, stored) == expected
        assert await timers(database) == 0


# ---- kill -9 --------------------------------------------------------------------------------------------------------------


async def started(database_url: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "tests.clockworks", database_url)
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def killed_at_work(process: asyncio.subprocess.Process, database: Database) -> None:
    """Somewhere in an effect: it has said that it is at one."""
    for _ in range(random.randint(1, 6)):  # noqa: S311
        await at_work(process, database)
    await asyncio.sleep(random.random() * 0.01)  # noqa: S311
    if process.returncode is None:
        os.kill(process.pid, signal.SIGKILL)
    await process.wait()


async def at_work(process: asyncio.subprocess.Process, database: Database) -> None:
    """Until it begins an act, however long it takes to start, or nothing is left to do."""
    assert process.stdout is not None
    while await timers(database):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.stdout.readline(), 1)
            return


@pytest.mark.long
async def test_whoever_is_killed_whenever_each_act_is_done_once(
    fhir: Fhir, rule: Rule, database: Database, database_url: str
) -> None:
    rule.decide = within(-HOUR * 1000)  # the clock of this module may have leapt, those of the processes have not
    stored = [await fhir.created(waiting()) for _ in range(TASKS)]
    working = [await started(database_url) for _ in range(PROCESSES)]
    kills = 0
    while await timers(database):
        await killed_at_work(working[kills % PROCESSES], database)
        working[kills % PROCESSES] = await started(database_url)
        kills += 1
    for process in working:
        process.kill()
        await process.wait()
    assert [await state(fhir, each) for each in stored] == [("cancelled", 2, 1)] * TASKS
    assert kills >= KILLS
