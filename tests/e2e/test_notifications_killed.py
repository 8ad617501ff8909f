"""`kill -9` of the notifiers again and again: every committed event is told at least once, in order per Task, and no other (docs/adr/0030).

`make soak` runs the whole: 10,000 transitions, 50 kills.
"""

import asyncio
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e.servers import Server, descendants, running, wait_until, yiyang
from tests.receiver import Receiver, receiving
from tests.subscriptions import subscription, visit

pytestmark = pytest.mark.long

CLIENT: Final = "his"
IS_SOAK: Final = bool(os.environ.get("YIYANG_SOAK"))
TRANSITIONS: Final = 10_000 if IS_SOAK else 400
KILLS: Final = 50 if IS_SOAK else 4
TASKS: Final = TRANSITIONS // 10
WRITERS: Final = 4
SECONDS: Final = 240 if IS_SOAK else 40
STATES: Final = (
    "received",
    "accepted",
    "scheduled",
    "in-transit",
    "arrived",
    "treating",
    "paused",
    "treating",
    "closed",
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Two workers, each with a notifier; the receiver of the test is on loopback."""
    monkeypatch.setenv("YIYANG_OUTBOUND_NETWORKS", '["127.0.0.0/8"]')
    with running(tmp_path / "data", workers=2) as server:
        yield server


class Hospital:
    """Moves Tasks on, one version after another, and remembers which versions are committed and which never were."""

    def __init__(self, server: Server) -> None:
        self._place = ("--data", str(server.data_dir))
        yiyang("client", "add", CLIENT, "--organization", "hospital", "--scopes", "system/*.cruds", *self._place)
        self.base = server.base
        self.http = httpx.AsyncClient(timeout=10, trust_env=False)
        self._token_until = 0.0
        self.committed: dict[str, int] = {}
        self.rolled_back: set[str] = set()

    async def log_in(self) -> None:
        """A token lives for five minutes, a soak for longer."""
        if time.monotonic() > self._token_until:
            self._token_until = time.monotonic() + 120
            token = await asyncio.to_thread(yiyang, "token", CLIENT, "--base", self.base, *self._place)
            if said := token.stdout.strip():
                self.http.headers["authorization"] = f"Bearer {said}"
            else:
                self._token_until = 0.0

    async def subscribed(self, receiver: Receiver) -> str:
        await self.log_in()
        answer = await self.http.post(f"{self.base}/Subscription", json=subscription(receiver.url))
        assert answer.status_code == httpx.codes.CREATED, answer.text
        made = str(answer.json()["id"])
        for _ in range(200):
            await asyncio.sleep(0.05)
            if (await self.http.get(f"{self.base}/Subscription/{made}")).json().get("status") == "active":
                return made
        raise AssertionError("never active")

    async def move(self, task: str, version: int) -> None:
        """From `version` to the next one, whatever is killed meanwhile: asked again until it is known to stand."""
        at = "submitted" if version == 0 else STATES[version - 1]
        condition = {"if-match": f'W/"{version}"'} if version else {"if-none-match": "*"}
        while True:
            await self.log_in()
            with suppress(httpx.HTTPError):
                sent = await self.http.put(f"{self.base}/Task/{task}", json=visit(at, id=task), headers=condition)
                if sent.status_code in (httpx.codes.OK, httpx.codes.CREATED):
                    break
                if (
                    sent.status_code == httpx.codes.PRECONDITION_FAILED
                ):  # an answer that got lost, of a commit that did not
                    found = await self.http.get(f"{self.base}/Task/{task}")
                    if found.status_code == httpx.codes.OK and int(found.json()["meta"]["versionId"]) > version:
                        break
            await asyncio.sleep(0.05)
        self.committed[task] = version + 1

    async def fail(self, number: int) -> None:
        """A transaction whose second entry fails takes its Task along."""
        name = f"never-{number}"
        self.rolled_back.add(f"Task/{name}")
        entries = [
            {"resource": visit(id=name), "request": {"method": "PUT", "url": f"Task/{name}"}},
            {
                "resource": visit(id="other"),
                "request": {"method": "PUT", "url": "Task/other", "ifMatch": 'W/"99"'},
            },
        ]
        with suppress(httpx.HTTPError):
            answer = await self.http.post(
                self.base, json={"resourceType": "Bundle", "type": "transaction", "entry": entries}
            )
            assert not answer.is_success

    async def work(self, tasks: list[str]) -> None:
        for version in range(10):
            for task in tasks:
                await self.move(task, version)
            await self.fail(random.randrange(10**6))  # noqa: S311


def kill_a_worker(server: Server) -> None:
    workers = [pid for pid, line in descendants(server.process.pid).items() if "spawn_main" in line]
    if workers:
        os.kill(random.choice(workers), signal.SIGKILL)  # noqa: S311


async def killing(server: Server, done: Callable[[], int]) -> None:
    """Spread over the transitions."""
    for kill in range(KILLS):
        while done() < TRANSITIONS * (kill + 1) // (KILLS + 1):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(kill_a_worker, server)


def told(receiver: Receiver) -> dict[str, list[int]]:
    """The versions of each focus in the order in which they came first."""
    found: dict[str, dict[int, None]] = defaultdict(dict)
    for event in receiver.events:
        found[event["focus"]][event["version"]] = None
    return {focus: [*versions] for focus, versions in found.items()}


async def told_of(receiver: Receiver, tasks: set[str]) -> dict[str, list[int]]:
    """Each of ten versions of each of these Tasks, in order, numbered without a gap, and nothing else."""
    expected = {task: [*range(1, 11)] for task in tasks}
    deadline = time.monotonic() + SECONDS
    while (found := told(receiver)) != expected and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    assert found == expected
    numbers = {event["number"]: (event["focus"], event["version"]) for event in receiver.events}
    assert sorted(numbers) == [*range(1, TRANSITIONS + 1)]
    assert len(set(numbers.values())) == TRANSITIONS
    return found


async def test_every_event_is_told_in_order_however_often_the_notifiers_are_killed(server: Server) -> None:
    hospital = Hospital(server)
    async with receiving() as receiver:
        subscription_id = await hospital.subscribed(receiver)
        tasks = [f"task-{n}" for n in range(TASKS)]
        parts = [tasks[n::WRITERS] for n in range(WRITERS)]
        await asyncio.gather(
            killing(server, lambda: sum(hospital.committed.values())), *(hospital.work(part) for part in parts)
        )
        await asyncio.to_thread(wait_until, server.is_ready, "the server is ready")
        found = await told_of(receiver, {f"Task/{task}" for task in tasks})
        assert not hospital.rolled_back & found.keys()
        status: dict[str, Any] = (await hospital.http.get(f"{server.base}/Subscription/{subscription_id}")).json()
        assert status["status"] == "active"
    await hospital.http.aclose()
