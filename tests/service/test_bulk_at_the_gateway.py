"""A bulk job by a token, as its client meets it: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from gateway.keys import KeyPair
from services.fhir.bulk.worker import Worker
from services.kit.peers import Peers
from tests.builders import patient
from tests.bulk import database, finished, worker
from tests.front import ORIGIN, Front
from tests.house import Fhir
from tests.matchers import assert_outcome

__all__ = ["database", "worker"]


@pytest.fixture
async def door(front: Front, house: Peers) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway in front of the real services."""
    front.clock.advance((datetime.now(UTC) - front.clock.now()).total_seconds())
    async with front.connect(front.replica(house)) as client:
        yield client


async def test_export_status_file_and_deletion(
    front: Front, keys: KeyPair, door: httpx.AsyncClient, fhir: Fhir, worker: Worker
) -> None:
    await front.register(keys)
    elder = await fhir.as_(organization="clinic").created(patient())
    bearer = await front.bearer(keys, "system/Patient.rs")
    asked = {**bearer, "Prefer": "respond-async", "Accept": "application/fhir+json"}
    accepted = await door.get("/fhir/$export?_type=Patient", headers=asked)
    assert accepted.status_code == 202, accepted.text
    status = accepted.headers["content-location"]
    assert status.startswith(f"{ORIGIN}/fhir/$job/")
    assert (await door.get(status, headers=bearer)).headers["x-progress"] == "queued"
    await finished(worker)
    manifest = await door.get(status, headers=bearer)
    assert manifest.headers["content-type"] == "application/json"
    (file,) = manifest.json()["output"]
    ndjson = {**bearer, "Accept": "application/fhir+ndjson", "Accept-Encoding": "gzip"}
    async with door.stream("GET", file["url"], headers=ndjson) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert elder["id"] in [json.loads(line)["id"] for line in gzip.decompress(raw).splitlines()]
    assert_outcome(await door.get(file["url"]), 401, "login")
    assert_outcome(await door.get("/fhir/$export?_type=Task", headers=bearer), 403, "forbidden")
    assert (await door.delete(status, headers=bearer)).status_code == 202
    assert_outcome(await door.get(status, headers=bearer), 404, "not-found")


async def test_import_of_more_than_one_body_may_hold_elsewhere(
    front: Front, keys: KeyPair, door: httpx.AsyncClient, worker: Worker
) -> None:
    await front.register(keys)
    names = [f"large-{uuid4()}" for _ in range(6)]
    line = json.dumps(patient(name=[{"text": "x" * 1_000_000}]))
    body = "\n".join(line.replace("{", f'{{"id":"{name}",', 1) for name in names)
    assert len(body) > front.settings.max_body_bytes
    bearer = await front.bearer(keys, "system/Patient.cud system/Patient.r")
    sent = {**bearer, "Content-Type": "application/fhir+ndjson"}
    accepted = await door.post("/fhir/$import", content=body, headers=sent)
    assert accepted.status_code == 202, accepted.text
    await finished(worker)
    manifest = (await door.get(accepted.headers["content-location"], headers=bearer)).json()
    assert manifest["extension"] == {"created": 6}, manifest
    assert (await door.get(f"/fhir/Patient/{names[5]}", headers=bearer)).status_code == 200
