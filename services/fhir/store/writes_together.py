"""Writes that meet leave together, as reads and audit rows do: one statement, one flush to disk for many commits (docs/adr/0023).

Plain writes of the same type by the same caller gather. Each is still a commit of its own: a statement
that could not write all of them is told to each as "not written", and each then goes its own way through store/write.py.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.fhir.access.access import Access
from services.fhir.store.at_once import is_plain, write_at_once
from services.fhir.store.gathering import Gathering
from services.fhir.store.rows import AuditRow, Write
from services.fhir.store.together import whenever
from services.fhir.store.versions import is_insert
from services.kit.database import Database, DatabaseUnavailable

MOST: Final = 64
LONGEST: Final = 64 * 1024  # a larger body goes alone: nobody waits for it


class _Asked(NamedTuple):
    write: Write
    audit: AuditRow
    access: Access


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
        # Of several versions of one resource the first leaves.
        self._gathering: Gathering[_Kind, _Asked, bool] = Gathering(self._answer, MOST, lambda asked: asked.write.id)

    async def write(self, write: Write, audit: AuditRow, access: Access) -> bool:
        """True when it is durable, False when it is not written and has to go alone; `DatabaseUnavailable` when nobody knows."""
        kind = write.type, is_insert(write), whenever(access)
        return await self._gathering.ask(kind, _Asked(write, audit, access))

    async def _answer(self, _kind: _Kind, asked: Sequence[_Asked]) -> list[bool]:
        """In the order of their ids, so that two statements lock rows in the same order."""
        writes = sorted((each.write for each in asked), key=lambda write: write.id)
        audit = [each.audit for each in asked]
        try:
            async with self._database.connection() as connection:
                done = await write_at_once(connection, writes, audit, asked[-1].access, by_row=True)
        except DatabaseUnavailable:
            raise
        except Exception:  # noqa: BLE001 - each meets it again alone, where the fault is named
            return [False] * len(asked)
        return [each.write.id in done for each in asked]
