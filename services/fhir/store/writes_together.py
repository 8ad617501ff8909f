"""Writes that meet leave together, as reads and audit rows do: one statement, one flush to disk for many commits (docs/adr/0023).

While one statement is under way, further plain writes of the same type by the same caller gather. Each is still a commit of its own: a
statement that could not write all of them is told to each as "not written", and each then goes its own way through store/write.py.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.store.at_once import is_plain, write_at_once
from services.fhir.store.rows import AuditRow, Write
from services.fhir.store.together import ANY_TIME
from services.fhir.store.versions import is_insert
from services.kit.database import Database, DatabaseUnavailable

MOST: Final = 64
LONGEST: Final = 64 * 1024  # a larger body goes alone: nobody waits for it


class _Asked(msgspec.Struct, frozen=True):
    write: Write
    audit: AuditRow
    access: Access
    written: "asyncio.Future[bool]"


_Kind = tuple[str, bool, Access]


def may_gather(writes: Sequence[Write], audit: Sequence[AuditRow]) -> bool:
    """One plain version, remembered by the one audit row that names it."""
    return (
        len(writes) == 1
        and len(audit) == 1
        and (audit[0].id, audit[0].version) == (writes[0].id, writes[0].version)
        and len(writes[0].body or "") <= LONGEST
        and is_plain(writes[0])
    )


class WritesTogether:
    """One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: dict[_Kind, list[_Asked]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, write: Write, audit: AuditRow, access: Access) -> bool:
        """True when it is durable, False when it is not written and has to go alone; `DatabaseUnavailable` when nobody knows."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        kind = write.type, is_insert(write), msgspec.structs.replace(access, at=ANY_TIME)
        asked = _Asked(write, audit, access, written)
        if (gathering := self._asked.get(kind)) is not None:
            gathering.append(asked)
        else:
            self._asked[kind] = [asked]
            task = asyncio.create_task(self._run(kind))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await written

    async def _run(self, kind: _Kind) -> None:
        """Until nobody of this kind waits any more."""
        while self._asked[kind]:
            asked, self._asked[kind] = _parted(self._asked[kind])
            await self._write(asked)
        del self._asked[kind]

    async def _write(self, asked: Sequence[_Asked]) -> None:
        """A basis counts at the time of the last one who asked: all of them are still waiting for the answer."""
        try:
            async with self._database.connection() as connection:
                done = await _written(connection, asked)
        except BaseException as error:  # noqa: BLE001 - whatever it was, those who wait must learn of it
            is_known = isinstance(error, Exception) and not isinstance(error, DatabaseUnavailable)
            for each in asked:
                if not each.written.done():
                    each.written.set_result(False) if is_known else each.written.set_exception(error)
        else:
            for each in asked:
                if not each.written.done():  # a request that was cancelled meanwhile waits no more
                    each.written.set_result(each.write.id in done)


async def _written(connection: Any, asked: Sequence[_Asked]) -> set[str]:
    writes = sorted(
        (each.write for each in asked), key=lambda w: w.id
    )  # so that two statements lock rows in the same order
    return await write_at_once(connection, writes, [each.audit for each in asked], asked[-1].access, by_row=True)


def _parted(waiting: list[_Asked]) -> tuple[list[_Asked], list[_Asked]]:
    """Who leaves now and who stays: of several versions of one resource the first leaves."""
    leaving = {each.write.id: each for each in reversed(waiting[:MOST])}
    return [*leaving.values()][::-1], [each for each in waiting if leaving.get(each.write.id) is not each]
