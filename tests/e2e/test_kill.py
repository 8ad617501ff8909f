"""`kill -9` of any process during a load: every bundle answered 200 is whole, and no other is there at all."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.builders import care_plan, create, observation, patient, service_request, transaction, urn
from tests.e2e.servers import Server, descendants, running, wait_until, yiyang

pytestmark = pytest.mark.long

CLIENT: Final = "loader"
SYSTEM: Final = "http://example.org/load"
LOADERS: Final = 4
OBSERVATIONS: Final = 30
SECONDS: Final = float(os.environ.get("YIYANG_SOAK", "0")) or 0.8
VICTIMS: Final = ("a worker", "postgres", "a backend of postgres", "the whole group's head")
EVERYTHING: Final = "_revinclude=Observation:patient&_revinclude=CarePlan:patient&_revinclude=ServiceRequest:patient"
WHOLE: Final = Counter({"Patient": 1, "Observation": OBSERVATIONS, "CarePlan": 1, "ServiceRequest": 1})


def bundle(number: str) -> dict[str, Any]:
    """A patient of all three services, recognisable by its identifier."""
    person = urn()
    return transaction(
        create(patient(identifier=[{"system": SYSTEM, "value": number}]), person),
        *(create(observation(person), urn()) for _ in range(OBSERVATIONS)),
        create(care_plan(person), urn()),
        create(service_request(person), urn()),
    )


def batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[n : n + size] for n in range(0, len(items), size))


class Load:
    """Posts bundles until told to stop and remembers which were answered 200."""

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._headers = {"authorization": f"Bearer {token}"}
        self.sent: list[str] = []
        self.answered: set[str] = set()

    async def run(self, loader: int, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(headers=self._headers, timeout=20) as http:
            while not stop.is_set():
                number = f"{loader}-{len(self.sent)}"
                self.sent.append(number)
                with suppress(httpx.HTTPError):
                    answer = await http.post(self._server.base, json=bundle(number))
                    if answer.status_code == httpx.codes.OK:
                        self.answered.add(number)

    async def check(self) -> None:
        async with httpx.AsyncClient(headers=self._headers, timeout=20) as http:
            for some in batched(self.sent, LOADERS):
                await asyncio.gather(*(self._check_bundle(http, number) for number in some))

    async def _check_bundle(self, http: httpx.AsyncClient, number: str) -> None:
        """All of it in one search; nothing at all is fine where no 200 was seen."""
        answer = (
            await http.get(f"{self._server.base}/Patient?identifier={SYSTEM}|{number}&{EVERYTHING}")
        ).raise_for_status()
        found = Counter(e["resource"]["resourceType"] for e in answer.json().get("entry", ()))
        assert found == WHOLE or (not found and number not in self.answered), (number, found)


async def test_no_bundle_is_lost_or_half_there_whatever_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as server:
        here = ("--data", str(tmp_path))
        yiyang("client", "add", CLIENT, "--organization", "loader-home", "--scopes", "system/*.cruds", *here)
        load = Load(server, yiyang("token", CLIENT, "--base", server.base, *here).stdout.strip())
        for victim in VICTIMS:
            before, stop = len(load.answered), asyncio.Event()
            loaders = [asyncio.create_task(load.run(n, stop)) for n in range(LOADERS)]
            await asyncio.sleep(SECONDS)
            os.kill(choose(victim, server), signal.SIGKILL)
            await asyncio.sleep(SECONDS)
            stop.set()
            await asyncio.gather(*loaders)
            await asyncio.to_thread(restarted, server)
            assert len(load.answered) > before, victim
        await load.check()


def restarted(server: Server) -> None:
    """What is still there mends itself; a server whose head is gone is started again."""
    if server.process.poll() is not None:
        server.restart()
    wait_until(server.is_ready, "the server is ready")


def choose(victim: str, server: Server) -> int:
    """The pid to kill."""
    processes = descendants(server.process.pid)
    postmasters = [pid for pid, line in processes.items() if "postgres" in line and " -D" in line]
    match victim:
        case "a worker":
            return random.choice([pid for pid, line in processes.items() if "spawn_main" in line])  # noqa: S311
        case "postgres":
            return postmasters[0]
        case "a backend of postgres":
            return random.choice([pid for pid, line in processes.items() if line.startswith("postgres: yiyang")])  # noqa: S311
        case _:
            return server.process.pid
