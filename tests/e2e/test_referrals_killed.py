"""`kill -9` of the workers, notifiers and clocks among them, while referrals go through the workflow: each act counts once, is told in order, and nothing is half done.

docs/referral-workflow.md, docs/adr/0030. `make soak` runs the whole: 10,000 transitions, 50 kills.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from services.kit.peers import PeerUnavailable
from services.referral.states import state_of
from tests import invariants
from tests.e2e.servers import Server, running, wait_until, yiyang
from tests.e2e.test_notifications_killed import TRANSITIONS, killing, told_of
from tests.house import Fhir
from tests.receiver import receiving
from tests.referrals import Scene
from tests.subscriptions import subscription
from tests.wire import Wire
from yiyang.postgres.folders import Folders

pytestmark = pytest.mark.long

Json = dict[str, Any]
PLACER, FULFILLER, OTHER = "clinic", "hospital", "other"
ACTS: Final = ("receive", "accept", "arrive", "treat", "interim", "pause", "resume", "feedback", "acknowledge")
BY_PLACER: Final = frozenset({"acknowledge"})
WRITERS: Final = 8
TOKEN_SECONDS: Final = 120
PATIENCE: Final = 12
"""Seconds for an answer: a worker starts again within them, and who waited for a dead one asks anew."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("YIYANG_OUTBOUND_NETWORKS", '["127.0.0.0/8"]')
    with running(tmp_path / "data", workers=2) as server:
        yield server


class Institutions:
    """A clinic that refers and a hospital that answers, both stubborn: what they asked for they ask for again."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._place = ("--data", str(server.data_dir))
        for name in (PLACER, FULFILLER, OTHER):
            yiyang("client", "add", name, "--organization", name, "--scopes", "system/*.cruds", *self._place)
        self.wires = [Wire(server.root, name, "", PATIENCE) for name in (PLACER, FULFILLER, OTHER)]
        self.scene = Scene(self.wires)
        self.transitions = 0
        self.tasks: set[str] = set()

    async def log_in(self) -> None:
        for wire in self.wires:
            asked = ("token", wire.caller.client, "--base", self._server.base, *self._place)
            said = (await asyncio.to_thread(yiyang, *asked)).stdout.strip()
            wire.token = said or wire.token

    async def stay_logged_in(self) -> None:
        while True:
            await asyncio.sleep(TOKEN_SECONDS)
            await self.log_in()

    async def insist(self, client: Fhir, path: str, sent: Json, **condition: str) -> Json | None:
        """What came of it in the end; None where it had come to be already, when its answer was lost."""
        while True:
            try:
                answer = await client.post(path, sent, **condition)
            except PeerUnavailable:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code in (200, 201):
                made: Json = answer.json()
                return made
            if answer.status_code in (409, 412, 422):
                return None
            assert answer.status_code in (401, 429, 500, 502, 503, 504), answer.text
            await asyncio.sleep(0.05)

    async def found(self, path: str) -> Json:
        while True:
            with suppress(PeerUnavailable):
                answer = await self.scene.placer.get(path)
                if answer.status_code == 200:
                    found: Json = answer.json()
                    return found
            await asyncio.sleep(0.05)

    async def submit(self, scene: Scene) -> Json:
        """A second one of the same number is refused, so there is one: the only one of this elder."""
        sent = scene.referring()
        while True:
            if made := await self.insist(scene.placer, "/ServiceRequest/$refer", sent):
                return made
            page = await self.found(f"/Task?patient={scene.patient}")
            for each in page.get("entry", ()):
                task: Json = each["resource"]
                return task

    async def act(self, scene: Scene, task: Json, act: str) -> Json:
        """On the version that is known: it counts once, however often it is asked for."""
        client = scene.placer if act in BY_PLACER else scene.fulfiller
        condition, sent = f'W/"{task["meta"]["versionId"]}"', scene.operation(task, act)
        made = await self.insist(client, f"/Task/{task['id']}/${act}", sent, if_match=condition)
        return made or await self.found(f"/Task/{task['id']}")

    async def refer(self, elder: str) -> None:
        scene = self.scene.about(elder)
        task = await self.submit(scene)
        self.tasks.add(f"Task/{task['id']}")
        self.transitions += 1
        for act in ACTS:
            task = await self.act(scene, task, act)
            self.transitions += 1
        assert (state_of(task), task["meta"]["versionId"]) == ("closed", "10")

    async def subscribed(self, endpoint: str) -> None:
        wanted = subscription(endpoint, f"Task?owner=Organization/{FULFILLER}")
        made = (await self.scene.fulfiller.created(wanted))["id"]
        for _ in range(400):
            await asyncio.sleep(0.05)
            if (await self.scene.fulfiller.get(f"/Subscription/{made}")).json().get("status") == "active":
                return
        raise AssertionError("never active")


async def test_referrals_go_on_and_are_told_of_whoever_is_killed(server: Server) -> None:
    here = Institutions(server)
    await here.log_in()
    await here.scene.furnish()
    elders = [await here.scene.meet() for _ in range(TRANSITIONS // 10)]
    async with receiving() as receiver:
        await here.subscribed(receiver.url)
        staying = asyncio.create_task(here.stay_logged_in())

        async def work(part: list[str]) -> None:
            for elder in part:
                await here.refer(elder)

        parts = [elders[n::WRITERS] for n in range(WRITERS)]
        await asyncio.gather(killing(server, lambda: here.transitions), *map(work, parts))
        staying.cancel()
        await asyncio.to_thread(wait_until, server.is_ready, "the server is ready")
        await told_of(receiver, here.tasks)
    connection = await asyncpg.connect(Folders(server.data_dir).url)
    try:
        assert await invariants.faults(connection, [PLACER], here.scene.clock.now()) == []
    finally:
        await connection.close()
