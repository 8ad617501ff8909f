"""A database that is away: 503 within two seconds, not ready, and back without a restart."""

import time
from collections.abc import AsyncIterator

import pytest

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
