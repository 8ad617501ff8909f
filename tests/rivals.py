"""Several instances of the three services over one database, with pools of their own and one clock: what meets, meets in PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from fastapi import FastAPI

from services.fhir.clockwork import Clockwork
from services.kit.clock import LeapingClock
from services.kit.database import Database
from services.referral.app import create_app as referral
from tests import invariants
from tests.house import HIS, Fhir, in_one_process
from tests.referrals import Scene


class Rivals(NamedTuple):
    """`clients` and `clockworks` by instance; `database` looks at what is there."""

    clients: tuple[Fhir, ...]
    clockworks: tuple[Clockwork, ...]
    clock: LeapingClock
    database: Database

    def at(self, client: Fhir, instance: int) -> Fhir:
        """The same client, served by another instance."""
        return Fhir(self.clients[instance].peers, client.caller, introduces=False, clock=self.clock)

    async def ring(self, ahead: timedelta) -> None:
        """Let this time go by, and do what is due."""
        self.clock.leap(ahead)
        while any([await each.work() for each in self.clockworks]):
            pass

    async def faults(self, *scenes: Scene) -> list[str]:
        organizations = [each for scene in scenes for each in scene.organizations]
        async with self.database.connection() as connection:
            return await invariants.faults(connection, organizations, self.clock.now())


@asynccontextmanager
async def rivals(database_url: str, instances: int = 2) -> AsyncIterator[Rivals]:
    clock, made = LeapingClock(), list[FastAPI]()

    def noted(settings: Any, **given: Any) -> FastAPI:
        made.append(referral(settings, **given))
        return made[-1]

    async with AsyncExitStack() as stack:
        houses = [
            await stack.enter_async_context(in_one_process(database_url, clock=clock, referral=noted))
            for _ in range(instances)
        ]
        database = Database(database_url, pool_size=1)
        stack.push_async_callback(database.close)
        clients = tuple(Fhir(peers, HIS, clock=clock) for peers in houses)
        yield Rivals(clients, tuple(app.state.clockwork for app in made), clock, database)
