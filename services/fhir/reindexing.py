"""Search parameters learnt from SearchParameter resources, and what is there indexed by them (docs/adr/0022).

Every process looks for changes before it serves a request, at most every `FRESH_SECONDS`, so a while after a parameter was stored nobody
writes without it. Only then, after `SETTLE`, are the older resources indexed anew, batch by batch, by whichever process is free.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from services.fhir.outcomes import FhirError
from services.fhir.search.custom import served
from services.fhir.search.index import index
from services.fhir.search.registry import Learnt, learn
from services.fhir.service import Service
from services.fhir.store import reindex
from services.kit.background import keep_at
from services.kit.clock import Clock
from services.kit.database import Database

FRESH_SECONDS: Final = 2
SETTLE: Final = timedelta(seconds=10)
POLL_SECONDS: Final = 2.0
OWN: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "~persons": (1, ("Patient", "Person", "Practitioner", "RelatedPerson")),
    "~worklist": (1, ("Task",)),
}
"""What the engine itself indexes otherwise than it once did, by a name that no resource has: its version and its types (docs/adr/0024, docs/adr/0028, docs/adr/0036).

Where the version is raised, what is stored is indexed anew, as for a parameter of one's own.
"""


class Learner:
    """One per service: knows which parameters there are, never older than `FRESH_SECONDS` when it is asked."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._looked = 0.0
        self._marker = ""
        self._looking = asyncio.Lock()
        self.versions: dict[str, int] = {}

    async def fresh(self) -> None:
        if self._clock.seconds() - self._looked < FRESH_SECONDS:
            return
        async with self._looking:
            if self._clock.seconds() - self._looked >= FRESH_SECONDS:
                await self._look()

    async def _look(self) -> None:
        began = self._clock.seconds()
        async with self._database.connection() as connection:
            if (marker := await reindex.marker(connection)) != self._marker:
                await self._learn(connection)
                self._marker = marker
        self._looked = began

    async def _learn(self, connection: Any) -> None:
        stored = await reindex.definitions(connection)
        found = [(i, version, *pair) for i, version, resource in stored for pair in _served(resource)]
        own = [(name, version, kind) for name, (version, kinds) in OWN.items() for kind in kinds]
        await reindex.plan(connection, [*own, *((i, version, kind) for i, version, kind, _ in found)])
        states = {(p.parameter, p.type): p for p in await reindex.progress(connection)}
        parameters: dict[str, tuple[Any, ...]] = {}
        for _, _, kind, parameter in found:
            if all(
                parameter.code != each.code for each in parameters.get(kind, ())
            ):  # of two with a code the first counts
                parameters[kind] = (*parameters.get(kind, ()), parameter)
        done = [(kind, p.code) for i, version, kind, p in found if _is_done(states.get((i, kind)), version)]
        learn(Learnt(parameters, frozenset(done)))
        self.versions = {i: version for i, version, _ in own} | {i: version for i, version, _, _ in found}


def _is_done(progress: reindex.Progress | None, version: int) -> bool:
    return progress is not None and progress.version == version and progress.state == "done"


def _served(resource: dict[str, Any]) -> list[tuple[str, Any]]:
    """What cannot be served is stored all the same; its `$index-status` says why."""
    try:
        return served(resource)
    except FhirError:
        return []


class Reindexer:
    """Works beside the requests of a service, until it is cancelled."""

    def __init__(self, service: Service, learner: Learner) -> None:
        self._service = service
        self._learner = learner

    async def forever(self) -> None:
        await keep_at(self.work, POLL_SECONDS, "reindex.failed", service=self._service.name)

    async def work(self) -> bool:
        """Index one batch if there is one; whether there was one."""
        await self._learner.fresh()
        stores = self._service.stores
        async with stores.database.connection() as connection:
            return await reindex.step(connection, self._indexes(), self._learner.versions, SETTLE, stores.vault)

    def _indexes(self) -> dict[str, reindex.Index]:
        """Of the types that the service owns: it may write no others (docs/adr/0018)."""
        types = sorted(self._service.stores.owned)
        return {each: index(each, self._service.base, self._service.zone) for each in types}
