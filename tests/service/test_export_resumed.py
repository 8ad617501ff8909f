"""A job outlives its worker, and each resource comes exactly once (docs/adr/0015)."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from services.fhir.bulk import export_run
from services.fhir.bulk.worker import Worker
from services.fhir.store import jobs
from services.kit.database import Database
from services.kit.peers import Peers
from tests.builders import observation
from tests.bulk import another_worker, database, finished, grow_old, kicked_off, lines, manifest, worker
from tests.house import Fhir, Json
from tests.matchers import assert_outcome

__all__ = ["database", "worker"]


class KilledError(BaseException):
    """The process is gone: nothing behind this line runs."""


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_run, "MAX_FILE", 1)
    monkeypatch.setattr(export_run, "_BATCH", 2)


async def tagged(fhir: Fhir, count: int) -> tuple[str, list[Json]]:
    """Observations of this test alone, and the export that gives them."""
    tag = {"system": "http://example.org/resume", "code": str(uuid4())}
    stored = [await fhir.created(observation(meta={"tag": [tag]})) for _ in range(count)]
    query = f"_type=Observation&_typeFilter=Observation?_tag={tag['system']}|{tag['code']}"
    return f"/$export?{query}", stored


def killed_after(files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies in the middle of a step, when so many files are committed."""
    add, written = jobs.add_file, [0]

    async def add_file(*arguments: Any) -> None:
        await add(*arguments)
        written[0] += 1
        if written[0] > files:
            raise KilledError

    monkeypatch.setattr(jobs, "add_file", add_file)


@pytest.mark.parametrize("files", [0, 1, 3])
async def test_another_worker_goes_on_when_the_first_was_killed(
    fhir: Fhir, house: Peers, database: Database, database_url: str, files: int, small_files: None
) -> None:
    path, stored = await tagged(fhir, 9)
    status = await kicked_off(fhir, path)
    with pytest.MonkeyPatch.context() as killing:
        killed_after(files, killing)
        with pytest.raises(KilledError):
            await another_worker(house, database, database_url).work()
    running = await fhir.get(status)
    assert running.status_code == 202
    assert running.headers["x-progress"].startswith(f"{2 * files} of 9")

    second = another_worker(house, database, database_url)
    assert not await second.work(), "the first one was heard a moment ago"
    await grow_old(database_url, status)
    assert await second.work()
    found = await manifest(fhir, status)
    resources = await lines(fhir, found["output"])
    assert len(found["output"]) == 5
    assert sorted(r["id"] for r in resources) == sorted(s["id"] for s in stored)


async def test_what_changes_after_the_snapshot_is_not_in_it(
    fhir: Fhir, house: Peers, database: Database, database_url: str, small_files: None
) -> None:
    path, stored = await tagged(fhir, 6)
    status = await kicked_off(fhir, path)
    with pytest.MonkeyPatch.context() as killing:
        killed_after(1, killing)
        with pytest.raises(KilledError):
            await another_worker(house, database, database_url).work()
    await fhir.put(f"/Observation/{stored[4]['id']}", stored[4] | {"status": "amended"})
    await fhir.delete(f"/Observation/{stored[5]['id']}")
    late = await fhir.created(stored[0])
    await grow_old(database_url, status)
    await finished(another_worker(house, database, database_url))
    resources = await lines(fhir, (await manifest(fhir, status))["output"])
    assert {r["id"]: r["status"] for r in resources} == {s["id"]: "final" for s in stored}
    assert late["id"] not in {r["id"] for r in resources}


async def test_a_worker_that_was_taken_for_dead_writes_nothing_more(
    fhir: Fhir, house: Peers, database: Database, database_url: str, small_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stored = await tagged(fhir, 7)
    status = await kicked_off(fhir, path)
    asleep, awake = asyncio.Event(), asyncio.Event()
    next_part = jobs.next_part

    async def sleepy(*arguments: Any) -> Any:
        part = await next_part(*arguments)
        if not asleep.is_set():
            asleep.set()
            await awake.wait()
        return part

    monkeypatch.setattr(jobs, "next_part", sleepy)
    slow = asyncio.create_task(another_worker(house, database, database_url).work())
    await asleep.wait()
    await grow_old(database_url, status)
    await finished(another_worker(house, database, database_url))
    awake.set()
    await slow
    resources = await lines(fhir, (await manifest(fhir, status))["output"])
    assert sorted(r["id"] for r in resources) == sorted(s["id"] for s in stored)


async def test_two_workers_never_take_the_same_job(
    fhir: Fhir, house: Peers, database: Database, database_url: str
) -> None:
    paths = [(await tagged(fhir, 2))[0] for _ in range(4)]
    statuses = [await kicked_off(fhir, path) for path in paths]
    workers = [another_worker(house, database, database_url) for _ in range(3)]
    await asyncio.gather(*(finished(w) for w in workers))
    for status in statuses:
        assert len(await lines(fhir, (await manifest(fhir, status))["output"])) == 2


async def test_a_worker_that_is_stopped_gives_its_job_back(
    fhir: Fhir, house: Peers, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = await tagged(fhir, 2)
    status = await kicked_off(fhir, path)
    asleep = asyncio.Event()

    async def never(*_: Any) -> Any:
        asleep.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as stopping:
        stopping.setattr(jobs, "next_part", never)
        working = asyncio.create_task(another_worker(house, database, database_url).forever())
        await asleep.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    assert await another_worker(house, database, database_url).work(), "at once, without waiting for silence"
    assert (await fhir.get(status)).status_code == 200


async def test_a_job_that_fails_again_and_again_fails_for_good(
    fhir: Fhir, worker: Worker, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = await tagged(fhir, 1)
    status = await kicked_off(fhir, path)

    async def broken(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(jobs, "next_part", broken)
    for _ in range(6):
        assert await worker.work()
        await grow_old(database_url, status)
    assert_outcome(await fhir.get(status), 500, "exception")
