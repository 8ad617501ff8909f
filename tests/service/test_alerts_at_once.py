"""Many readings, several processes, a process that dies: one alert, and each event counts once (docs/adr/0040, docs/adr/0041)."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.care.alerts.course import course_of
from services.fhir.business import Context, Heard, Wake
from services.fhir.clockwork import Clockwork
from services.fhir.store import outbox
from services.kit.database import Database, DatabaseUnavailable
from services.kit.peers import PeerUnavailable
from tests.ward import Ward, wards

Json = dict[str, Any]

PROCESSES = 3
READINGS = 50
KILLS = 6


@pytest.fixture(scope="module")
async def rivals(database_url: str) -> AsyncIterator[list[Ward]]:
    async with wards(database_url, PROCESSES) as rivals:
        yield rivals


@pytest.fixture
async def ward(rivals: list[Ward]) -> Ward:
    await rivals[0].noon()
    await rivals[0].admit()
    return rivals[0]


async def heard_by_all(rivals: list[Ward]) -> None:
    """Each process listens, as they do when all of them run, until nothing is left."""
    for _ in range(3):
        await asyncio.gather(*(ward.settle() for ward in rivals))


async def test_fifty_readings_at_once_raise_one_alert_whoever_hears_them(rivals: list[Ward], ward: Ward) -> None:
    readings = [ward.reading("8480-6", 180 + n % 40, ago=n / 60) for n in range(READINGS)]
    sending = asyncio.gather(*(ward.home.created(each) for each in readings))
    while not sending.done():
        await asyncio.gather(*(each.listeners[0].work() for each in rivals))
        await asyncio.sleep(0.01)
    await sending
    await heard_by_all(rivals)
    alert = await ward.alert("blood-pressure-critical")
    flags = await ward.found(f"/Flag?patient={ward.elder}")
    tasks = await ward.found(f"/Task?patient={ward.elder}&code=alert")
    assert [f"Flag/{each['id']}" for each in flags] == [course_of(alert).flag]
    assert [f"Task/{each['id']}" for each in tasks] == [course_of(alert).task]


async def test_fifty_calls_of_fifty_elders_are_fifty_alarms(rivals: list[Ward], ward: Ward) -> None:
    elders = [await ward.admit() for _ in range(READINGS)]
    await asyncio.gather(
        *(ward.home.created(ward.reading("8480-6", 190) | {"subject": {"reference": each}}) for each in elders)
    )
    await heard_by_all(rivals)
    for elder in elders:
        ward.elder = elder
        await ward.alert()


async def test_of_two_who_answer_at_once_one_is_told_what_the_other_did(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    answers = await asyncio.gather(*(ward.act("acknowledge", alert) for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [200, 422, 422, 422, 422]


async def test_an_answer_and_the_next_step_at_the_same_time_never_both_come(rivals: list[Ward], ward: Ward) -> None:
    for _ in range(10):
        await ward.admit()
        await ward.measured("8480-6", 185)
        alert = await ward.alert()
        ward.clock.leap(timedelta(minutes=5, seconds=1))
        await asyncio.gather(*(each.clockworks[0].work() for each in rivals), ward.act("acknowledge", alert))
        course = course_of(await ward.alert())
        assert course.state == "acknowledged"
        await ward.leap(hours=3)
        assert (await ward.course()).step == course.step <= 1


async def _raised(context: Context) -> None:
    raise RuntimeError


async def _refused(context: Context) -> None:
    """By the database, which then takes no other statement of the same transaction."""
    await context._store._connection.execute("SELECT 1 / 0")  # type: ignore[attr-defined]  # noqa: SLF001


async def _misread(context: Context) -> None:
    raise ValueError("201")


@pytest.mark.parametrize("fault", [_misread, _raised, _refused])
async def test_what_a_listener_can_not_understand_holds_up_no_other(
    ward: Ward, fault: Callable[[Context], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = ward.listeners[0]
    hears = listener._hears  # noqa: SLF001 - what the service makes of what it hears

    async def choking(heard: list[Heard], context: Context) -> list[Wake]:
        if any((each.resource or {}).get("valueQuantity", {}).get("value") == 201 for each in heard):
            await fault(context)
        return [*await hears(heard, context)]

    async def passed_over() -> float:
        (gauge,) = await listener.figures()
        return float(gauge.values.get("Observation", 0))

    before = await passed_over()
    monkeypatch.setattr(listener, "_hears", choking)
    await ward.send(ward.reading("8310-5", 201, "[degF]"), ward.reading("8480-6", 200))
    assert (await ward.alert())["code"]["coding"][0]["code"] == "blood-pressure-critical"
    assert await passed_over() == before + 1


@pytest.mark.parametrize("error", [DatabaseUnavailable(), PeerUnavailable("records"), asyncpg.DeadlockDetectedError()])
async def test_while_the_database_or_a_peer_is_away_nothing_is_passed_over(
    ward: Ward, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = ward.listeners[0]
    await ward.home.created(ward.reading("8480-6", 200))

    async def away(heard: list[Heard], context: Context) -> list[Wake]:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(listener, "_hears", away)
        with pytest.raises(type(error)):
            await listener.work()
    assert await ward.alerts() == []
    await ward.settle()
    await ward.alert()


class Killed(BaseException):
    """As a kill ends a process: nothing after it is done."""


@pytest.mark.parametrize("place", ["before it moves on", "before the effect", "before the commit of the effect"])
async def test_a_process_that_dies_anywhere_leaves_one_alert(
    rivals: list[Ward], ward: Ward, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = rivals[1].listeners[0]
    with monkeypatch.context() as patch:
        if place == "before it moves on":
            patch.setattr(outbox, "advance", _die)
        elif place == "before the effect":
            patch.setattr(Clockwork, "fire", _die)
        else:
            patch.setattr("services.fhir.store.timers.use", _die)
        await ward.home.created(ward.reading("8480-6", 199))
        with pytest.raises(Killed):
            await dying.settle()
        assert await ward.alerts() == []
    ward.clock.leap(timedelta(seconds=11))
    await heard_by_all(rivals)
    await ward.leap(seconds=0)
    await ward.alert()
    await ward.leap(hours=1)
    await ward.alert()


async def _die(*_arguments: Any) -> None:
    raise Killed


@pytest.mark.long
async def test_processes_that_are_killed_over_and_over_leave_one_alert_for_each_elder(
    rivals: list[Ward], ward: Ward, database_url: str
) -> None:
    elders = [await ward.admit() for _ in range(30)]
    process = await _process(database_url, ward)
    for n, elder in enumerate(elders * 4):
        await ward.home.created(ward.reading("8480-6", 185 + n // len(elders)) | {"subject": {"reference": elder}})
        if n % (len(elders) * 4 // KILLS) == 0:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            process = await _process(database_url, ward)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    ward.clock.leap(timedelta(seconds=30))
    await heard_by_all(rivals)
    await ward.leap(seconds=0)
    for ward.elder in elders:
        await ward.alert()


async def _process(database_url: str, ward: Ward) -> asyncio.subprocess.Process:
    ahead = ward.clock.seconds() - time.time()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.ward", database_url, str(ahead), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    assert await process.stdout.readline() == b"listening\n"
    return process


async def test_the_timers_of_what_was_heard_are_used_up(ward: Ward, database_url: str) -> None:
    await ward.measured("8480-6", 185)
    database = Database(database_url, 1)
    async with database.connection() as connection:
        sql = "SELECT count(*) FROM fhir.timer WHERE holder LIKE $1 || ' %' AND act <> 'watch'"
        assert await connection.fetchval(sql, ward.elder) == 0
    await database.close()
