"""Bulk jobs in a test: a worker that works when it is told to, and the client's side of a job."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from services.fhir.bulk.worker import Worker
from services.fhir.store import jobs
from services.kit.database import Database
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.records.app import create_app
from tests.house import BASE, KEY, Fhir, Json, Response


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def worker(house: Peers, database: Database, database_url: str) -> Worker:
    return another_worker(house, database, database_url)


def another_worker(house: Peers, database: Database, database_url: str) -> Worker:
    """As another process would run it."""
    settings = ServiceSettings(database_url=database_url, internal_key=SecretStr(KEY), public_base=BASE)
    worker: Worker = create_app(settings, database=database, peers=house).state.worker
    return worker


async def kicked_off(fhir: Fhir, path: str, body: Json | bytes = b"", **headers: str) -> str:
    """Start a job and give the path of its status."""
    method = "POST" if body else "GET"
    answer = await fhir.call(method, path, body, prefer="respond-async", **headers)
    assert answer.status_code == 202, answer.text
    place = answer.headers["content-location"]
    assert place.startswith(f"{BASE}/$job/")
    return place.removeprefix(BASE)


async def finished(worker: Worker) -> None:
    while await worker.work():
        pass


async def manifest(fhir: Fhir, status: str) -> Json:
    answer = await fhir.get(status)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert "expires" in answer.headers
    found: Json = answer.json()
    assert found["requiresAccessToken"] is True
    return found


async def lines(fhir: Fhir, files: list[Json]) -> list[Any]:
    """Every line of every file, parsed; the counts of the manifest are true."""
    found: list[Any] = []
    for file in files:
        content = (await fetched(fhir, file)).content.decode()
        assert content.endswith("\n")
        parsed = [json.loads(line) for line in content.removesuffix("\n").split("\n")]
        assert len(parsed) == file["count"]
        assert {r["resourceType"] for r in parsed} == {file["type"]}
        found += parsed
    return found


async def fetched(fhir: Fhir, file: Json, **headers: str) -> Response:
    answer = await fhir.get(file["url"].removeprefix(BASE), accept="application/fhir+ndjson", **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+ndjson"
    return answer


async def exported(fhir: Fhir, worker: Worker, path: str, **headers: str) -> tuple[Json, list[Any]]:
    """Run an export to its end: its manifest and all its resources."""
    status = await kicked_off(fhir, path, b"", **headers)
    await finished(worker)
    found = await manifest(fhir, status)
    return found, await lines(fhir, found["output"])


class KilledError(BaseException):
    """The process is gone: nothing behind this line runs."""


async def killed_after(chunks: int, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker work until it is killed in the commit that follows so many."""
    advance, done = jobs.advance, [0]

    async def dying(*arguments: Any) -> None:
        await advance(*arguments)
        done[0] += 1
        if done[0] > chunks:
            raise KilledError

    with monkeypatch.context() as killing:
        killing.setattr(jobs, "advance", dying)
        with pytest.raises(KilledError):
            await worker.work()


async def grow_old(database_url: str, status: str) -> None:
    """As if the worker of the job had been silent for long."""
    connection = await asyncpg.connect(database_url)
    job = status.rpartition("/")[2]
    await connection.execute("UPDATE fhir.job SET beat = beat - interval '1 hour' WHERE id = $1", job)
    await connection.close()


def unzipped(content: bytes) -> str:
    return gzip.decompress(content).decode()
