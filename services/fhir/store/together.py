"""Reads by id that meet leave together, as audit rows do: one statement for all that one caller asks of a type (docs/adr/0023).

While one is under way, further reads of the same type by the same caller gather. A read alone goes out at once, with its shard. What a read
costs is mostly the message to PostgreSQL and back, two wake-ups of a process: at 16 connections on two cores 2.9 k reads/s were sent alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.store import read
from services.fhir.store.read import Writable
from services.fhir.store.rows import Stored
from services.kit.database import Database

MOST: Final = 100
ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Asked(msgspec.Struct, frozen=True):
    id: str
    access: Access
    found: "asyncio.Future[Any]"


class _Kind(msgspec.Struct, frozen=True):
    type: str
    access: Access
    to_write: bool = False


class ReadsTogether:
    """One per process. `DatabaseUnavailable` when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: dict[_Kind, list[_Asked]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, resource_type: str, resource_id: str, access: Access) -> Stored | None:
        """What `read.current` gives."""
        found: Stored | None = await self._ask(resource_type, resource_id, access, to_write=False)
        return found

    async def to_write(self, resource_type: str, resource_id: str, access: Access) -> Writable:
        """What `read.to_write` gives."""
        found: Writable = await self._ask(resource_type, resource_id, access, to_write=True)
        return found

    async def _ask(self, resource_type: str, resource_id: str, access: Access, *, to_write: bool) -> Any:
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        kind = _Kind(resource_type, msgspec.structs.replace(access, at=ANY_TIME), to_write)
        gathering = self._asked.get(kind)
        if gathering is None:
            self._asked[kind] = [_Asked(resource_id, access, found)]
            task = asyncio.create_task(self._run(kind))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            gathering.append(_Asked(resource_id, access, found))
        return await found

    async def _run(self, kind: _Kind) -> None:
        """Until nobody of this kind waits any more."""
        while asked := self._asked[kind][:MOST]:
            self._asked[kind] = self._asked[kind][MOST:]
            try:
                found = await self._fetch(kind, asked)
            except BaseException as error:  # noqa: BLE001 - whatever it was, those who wait must learn of it
                for each in asked:
                    if not each.found.done():
                        each.found.set_exception(error)
            else:
                for each in asked:
                    if not each.found.done():  # a request that was cancelled meanwhile waits no more
                        each.found.set_result(found.get(each.id))
        del self._asked[kind]

    async def _fetch(self, kind: _Kind, asked: Sequence[_Asked]) -> Mapping[str, Any]:
        """A basis counts at the time of the last one who asked: all of them are still waiting for the answer."""
        access = asked[-1].access
        async with self._database.connection() as connection:
            if len(asked) == 1:
                one = read.to_write if kind.to_write else read.current
                return {asked[0].id: await one(connection, kind.type, asked[0].id, access)}
            ids = list({each.id for each in asked})
            if kind.to_write:
                return await read.many_to_write(connection, kind.type, ids, access)
            return {stored.id: stored for stored in await read.many(connection, kind.type, ids, access)}
