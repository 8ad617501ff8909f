"""`kill -9` of workers while clients send the same request again until it is answered: one effect for each key (docs/adr/0035)."""

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import pytest

from tests.builders import create, patient, task, transaction
from tests.e2e.servers import Server, descendants, running, wait_until, yiyang

pytestmark = pytest.mark.long

CLIENT: Final = "loader"
SYSTEM: Final = "http://example.org/once"
CLIENTS: Final = 6
EACH: Final = 40
KILLS: Final = 4
PATIENCE: Final = 150.0


async def insistent(server: Server, token: str, keys: list[str]) -> list[httpx.Response]:
    """Ask under each key until there is an answer, whatever happens to the connection."""
    answers = []
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=20) as http:
        for n, key in enumerate(keys):
            named = patient(identifier=[{"system": SYSTEM, "value": key}])
            body = transaction(create(named), create(task())) if n % 2 else named
            url = server.base if n % 2 else f"{server.base}/Patient"
            answers.append(await answered(http, url, body, key))
    return answers


async def answered(http: httpx.AsyncClient, url: str, body: object, key: str) -> httpx.Response:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            answer = await http.post(url, json=body, headers={"idempotency-key": key})
            if answer.is_success:
                return answer
            assert answer.status_code in (httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE), answer.text
        except httpx.HTTPError:
            pass
        assert asyncio.get_running_loop().time() < deadline, key
        await asyncio.sleep(0.2)


async def killing(server: Server, stop: asyncio.Event) -> int:
    """One worker after the other, as they come back; how many were killed."""
    killed = 0
    while killed < KILLS and not stop.is_set():
        await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311
        workers = [pid for pid, line in descendants(server.process.pid).items() if "spawn_main" in line]
        if len(workers) > 1:
            os.kill(random.choice(workers), signal.SIGKILL)  # noqa: S311
            killed += 1
    return killed


async def test_each_key_has_one_effect_whoever_is_killed(tmp_path: Path) -> None:
    here = ("--data", str(tmp_path))
    with running(tmp_path, workers=2) as server:
        yiyang("client", "add", CLIENT, "--organization", "loader-home", "--scopes", "system/*.cruds", *here)
        token = yiyang("token", CLIENT, "--base", server.base, *here).stdout.strip()
        keys = [[f"k-{uuid4()}" for _ in range(EACH)] for _ in range(CLIENTS)]
        stop = asyncio.Event()
        killer = asyncio.create_task(killing(server, stop))
        await asyncio.gather(*(insistent(server, token, some) for some in keys))
        stop.set()
        assert await killer
        await asyncio.to_thread(wait_until, server.is_ready, "a worker answers", 60)
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=20) as http:
            for key in (key for some in keys for key in some):
                found = await http.get(f"{server.base}/Patient?identifier={SYSTEM}|{key}&_total=accurate")
                assert found.json()["total"] == 1, key
