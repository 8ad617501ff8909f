"""`kill -9` of every worker amid a push: no record is lost, and none is there twice (docs/adr/0037)."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.builders import patient
from tests.care_records import RESIDENTS, days_of_care
from tests.e2e.servers import Server, descendants, running, yiyang
from yiyang.client import Client, Credentials, push
from yiyang.installation import Installation

pytestmark = pytest.mark.long

HOME: Final = "killed-home"
TIMES: Final = int(os.environ.get("YIYANG_SOAK", "1"))
RECORDS: Final = 2000 * TIMES
ELDERS: Final = 40
BATCH: Final = 200


def credentials(server: Server) -> Credentials:
    place = ("--data", str(server.data_dir))
    added = yiyang("client", "add", HOME, "--organization", HOME, "--scopes", "system/*.cruds", *place)
    assert added.returncode == 0, added.stderr
    keys = Installation(server.data_dir).client_keys(HOME)
    return Credentials(HOME, keys.kid, keys.private_key)


def kill_workers(server: Server) -> None:
    for pid, line in descendants(server.process.pid).items():
        if "spawn_main" in line:
            os.kill(pid, signal.SIGKILL)


class Killer:
    """Kills all workers whenever another share of the records is receipted."""

    def __init__(self, server: Server, kills: int) -> None:
        self._server = server
        self._at = [RECORDS * n // (kills + 1) for n in range(1, kills + 1)]
        self._done = 0
        self.killed = 0

    def tell(self, lines: int, _stored: int) -> None:
        self._done += lines
        if self._at and self._done >= self._at[0]:
            self._at.pop(0)
            self.killed += 1
            kill_workers(self._server)


async def admit(client: Client) -> None:
    for n in range(ELDERS):
        await client.create(patient(identifier=[{"system": RESIDENTS, "value": f"day-{n}"}]))


async def stored(client: Client) -> list[tuple[str, str]]:
    """(number, version) of every record that is there."""
    found = []
    for kind in ("Observation", "Procedure", "MedicationAdministration", "Composition"):
        async for each in client.search(kind, {"_source": "urn:batch:day"}):
            number = each["identifier"][0] if isinstance(each["identifier"], list) else each["identifier"]
            found.append((number["value"], each["meta"]["versionId"]))
    return sorted(found)


async def switched_off(client: Client, file: Path) -> None:
    """The sender stops when it has its first receipt, with other batches under way."""

    def stop() -> None:
        pushing.cancel()

    pushing = asyncio.create_task(push(client, file, size=BATCH, tell=lambda _lines, _stored: stop()))
    with pytest.raises(asyncio.CancelledError):
        await pushing


async def test_a_push_whose_server_is_killed_and_that_is_stopped_itself_stores_each_record_once(tmp_path: Path) -> None:
    file = tmp_path / "day.ndjson"
    lines = [json.dumps(each, ensure_ascii=False) for each in days_of_care(RECORDS, ELDERS, "day")]
    file.write_text("\n".join(lines), encoding="utf-8")
    with running(tmp_path / "data", workers=2) as server:
        async with Client(server.base, credentials(server)) as client:
            await admit(client)
            await switched_off(client, file)
            killer = Killer(server, kills=2 * TIMES)
            done = await push(client, file, size=BATCH, tell=killer.tell)
            assert (done.new + done.known, done.refused, killer.killed) == (RECORDS, {}, 2 * TIMES)
            again = await push(client, file, tmp_path / "other.journal", size=BATCH + 1)
            assert (again.new, again.known) == (0, RECORDS)
            assert await stored(client) == [(f"day-{n:06}", "1") for n in range(RECORDS)]
