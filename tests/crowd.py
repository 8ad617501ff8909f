"""Two placers and three fulfillers between several instances: what they may do at once, and what the database says of it.

The fulfillers have one bed each and both placers' referrals. tests/service/test_referral_machine.py draws what happens.
"""

import json
from typing import Any, Final

from services.kit.database import DatabaseUnavailable
from services.referral.states import CHOSEN, state_of
from services.referral.workflow import ACTS
from tests.builders import entry, observation, transaction
from tests.house import Fhir, Response
from tests.invariants import ledger
from tests.referrals import Scene, moved
from tests.rivals import Rivals

Json = dict[str, Any]
LATER: Final = "2099-01-01T00:00:00+08:00"
"""What a client says that the time is (I8)."""
ONE_SERVICE: Final = {"text": "心内科住院"}


class Crowd:
    """The parties, what they have asked for, and what the database says of it."""

    def __init__(self, house: Rivals) -> None:
        self.house = house
        self.placers: list[Scene] = []
        self.elders: list[tuple[int, str]] = []
        self.seen: dict[str, str] = {}

    @classmethod
    async def made(cls, house: Rivals) -> "Crowd":
        """The placers share the fulfillers: each fulfiller has one bed."""
        crowd = cls(house)
        first, second = [await Scene.set(house.clients[n]) for n in range(2)]
        third = await Scene.set(house.clients[0])
        fulfillers = [first.fulfiller, second.fulfiller, third.fulfiller]
        for placer in (first.placer, second.placer):
            scene = Scene([placer, *fulfillers])
            await scene.furnish()
            crowd.placers.append(scene)
        return crowd

    async def begin(self) -> None:
        """New elders, with something in the record that no package has."""
        self.elders, self.seen = [], {}
        for n, scene in enumerate(self.placers):
            for _ in range(2):
                elder = await scene.meet()
                self.elders.append((n, elder))
                self.seen[elder] = (await scene.placer.created(observation(elder)))["id"]

    @property
    def organizations(self) -> list[str]:
        return [scene.organizations[0] for scene in self.placers]

    async def tasks(self) -> list[Json]:
        elders = [f"%{elder}%" for _, elder in self.elders]
        async with self.house.database.connection() as connection:
            rows = await connection.fetch("SELECT body FROM fhir.task WHERE body LIKE ANY($1) ORDER BY id", elders)
        found = [json.loads(row["body"]) for row in rows]
        return [task for task in found if "referral" in str(task["code"])]

    def between(self, task: Json) -> Scene:
        """The scene of the two parties of a Task."""
        placer, owner = (task[name]["reference"].partition("/")[2] for name in ("requester", "owner"))
        scene = next(each for each in self.placers if each.organizations[0] == placer)
        pair = Scene([scene.placer, scene.clients[scene.organizations.index(owner)]])
        pair.patient = task["for"]["reference"]
        return pair

    async def refer(self, elder: int, owner: int, instance: int, *, twin: bool) -> Response:
        n, patient = self.elders[elder]
        everybody = self.placers[n]
        scene = Scene([everybody.placer, everybody.clients[owner]])
        scene.patient = patient
        order = scene.request(**({"code": ONE_SERVICE} if twin else {}))
        return await self.house.at(scene.placer, instance).post("/", scene.submission(order))

    async def ask_also(self, task: Json, owner: int, instance: int) -> Response:
        """Another institution for the same request, whatever has become of it."""
        n = next(n for n, elder in self.elders if elder == task["for"]["reference"])
        scene = self.placers[n].about(task["for"]["reference"])
        client = self.house.at(scene.placer, instance)
        return await client.post("/", scene.asking_also(task, owner))

    async def act(self, task: Json, act: str, by: int, instance: int) -> Response:
        """By the party whose act it is, or by anybody; it says another time than it is (I8)."""
        scene = self.between(task)
        own = scene.placer if ACTS[act].by in ("P", "A") else scene.fulfiller
        client = own if by > 0 else self.placers[-by % 2].clients[-by % 4]
        changed, companions = scene.accompanied(task, act)
        body = moved(task, act) | changed | {"lastModified": LATER}
        put = entry("PUT", f"Task/{task['id']}", body, ifMatch=f'W/"{task["meta"]["versionId"]}"')
        return await self.house.at(client, instance).post("/", transaction(*companions, put))

    async def cut(self) -> None:
        """What a killed worker leaves in the database: its connections end, wherever they are."""
        async with self.house.database.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND random() < 0.3"
            )

    async def ring(self, instance: int) -> None:
        try:
            await self.house.clockworks[instance].work()
        except DatabaseUnavailable:
            return  # it was its connection

    async def faults(self) -> list[str]:
        found = await self.house.faults(*self.placers)
        async with self.house.database.connection() as connection:
            there = await ledger(connection, self.organizations, self.house.clock.now())
        for task_id, versions in there.tasks.items():
            found += [f"I8: Task/{task_id}" for each in versions if each.body.get("lastModified") == LATER]
        return found

    async def acts(self) -> set[str]:
        async with self.house.database.connection() as connection:
            there = await ledger(connection, self.organizations, self.house.clock.now())
        return {act for each in there.told.values() for act, _ in each}

    async def open_to_the_wrong(self) -> list[str]:
        """I7: what prepares an arrival is open to those who have accepted, and to nobody who never did."""
        found, tasks = [], await self.tasks()
        for _, elder in self.elders:
            for client, organization in zip(
                self.placers[0].clients[1:], self.placers[0].organizations[1:], strict=True
            ):
                own = [
                    t
                    for t in tasks
                    if t["for"]["reference"] == elder and t["owner"]["reference"].endswith(organization)
                ]
                answer = await client.get(f"/Observation/{self.seen[elder]}")
                if any(state_of(task) in CHOSEN for task in own) and answer.status_code != 200:
                    found.append(f"I7: {organization} has accepted {elder} and sees nothing")
                if answer.status_code == 200 and not await self.was_chosen(own):
                    found.append(
                        f"I7: {organization} sees the record of {elder}, its Tasks are {[*map(state_of, own)]}"
                    )
                found += [each for task in own if (each := await self.shown(task, client))]
        return found

    async def shown(self, task: Json, client: Fhir) -> str:
        """A Task is its fulfiller's to read unless it is void."""
        status = (await client.get(f"/Task/{task['id']}")).status_code
        is_right = status == (404 if state_of(task) == "voided" else 200)
        return "" if is_right else f"I7: Task/{task['id']} in {state_of(task)} answers {status}"

    async def was_chosen(self, tasks: list[Json]) -> bool:
        async with self.house.database.connection() as connection:
            there = await ledger(connection, self.organizations, self.house.clock.now())
        versions = [each.body for task in tasks for each in there.tasks[task["id"]]]
        return any(state_of(each) in CHOSEN for each in versions)
