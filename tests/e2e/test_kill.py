"""`kill -9` of any process during a load: every bundle answered 200 is whole, and no other is there at all."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.builders import care_plan, create, observation, patient, service_request, transaction, urn
from tests.running import RunningServer, running

CLIENT: Final = "loader"
SYSTEM: Final = "http://example.org/load"
LOADERS: Final = 4
OBSERVATIONS: Final = 30
SECONDS: Final = float(os.environ.get("YIYANG_SOAK", "0")) or 1.5


def bundle(number: str) -> dict[str, Any]:
    """A patient of all three services, recognisable by its identifier."""
    person = urn()
    return transaction(
        create(patient(identifier=[{"system": SYSTEM, "value": number}]), person),
        *(create(observation(person), urn()) for _ in range(OBSERVATIONS)),
        create(care_plan(person), urn()),
        create(service_request(person), urn()),
    )


class Load:
    """Posts bundles until told to stop and remembers which were answered 200."""

    def __init__(self, server: RunningServer, token: str) -> None:
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
            for number in self.sent:
                patients = await self._found(http, f"Patient?identifier={SYSTEM}|{number}")
                assert len(patients) == 1 if number in self.answered else len(patients) <= 1, number
                for person in patients:
                    assert len(await self._found(http, f"Observation?patient={person}&_count=100")) == OBSERVATIONS
                    assert len(await self._found(http, f"CarePlan?patient={person}")) == 1
                    assert len(await self._found(http, f"ServiceRequest?patient={person}")) == 1

    async def _found(self, http: httpx.AsyncClient, search: str) -> list[str]:
        answer = (await http.get(f"{self._server.base}/{search}")).raise_for_status().json()
        return [e["resource"]["id"] for e in answer.get("entry", ())]


VICTIMS: Final = ("a worker", "postgres", "a backend of postgres", "the whole group's head")


@pytest.mark.parametrize("victim", VICTIMS)
async def test_no_bundle_is_lost_or_half_there(victim: str, tmp_path: Path) -> None:
    async with running(tmp_path / "data") as server:
        server.command("client", "add", CLIENT, "--organization", "loader-home", "--scopes", "system/*.cruds")
        load, stop = Load(server, server.command("token", CLIENT)), asyncio.Event()
        loaders = [asyncio.create_task(load.run(n, stop)) for n in range(LOADERS)]
        await asyncio.sleep(SECONDS)
        os.kill(choose(victim, server), signal.SIGKILL)
        await asyncio.sleep(SECONDS)
        stop.set()
        await asyncio.gather(*loaders)
        await server.restart()
        assert load.answered
        await load.check()


def choose(victim: str, server: RunningServer) -> int:
    """The pid to kill."""
    processes = server.descendants()
    postmasters = [pid for pid, line in processes.items() if "postgres" in line and " -D" in line]
    match victim:
        case "a worker":
            return random.choice([pid for pid, line in processes.items() if "spawn_main" in line])  # noqa: S311
        case "postgres":
            return postmasters[0]
        case "a backend of postgres":
            return random.choice([pid for pid, line in processes.items() if line.startswith("postgres: yiyang")])  # noqa: S311
        case _:
            return server.pid
