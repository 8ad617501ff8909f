"""The group commit of what was read: the answer waits until its audit row is durable, many rows share one fsync (docs/adr/0006).

On two cores this carries 4.5-5.5 k reads/s where a commit per read carried 1.9 k.
"""

from collections.abc import Sequence
from typing import Protocol

from services.fhir.store.gathering import Gathering
from services.fhir.store.rows import AuditRow
from services.fhir.store.versions import AUDIT_INSERT, encode_audit
from services.kit.database import Database

_INSERT = AUDIT_INSERT.format(rows="$1")


class Audit(Protocol):
    async def record(self, *rows: AuditRow) -> None: ...


class AuditLog:
    """One per process. `record` returns when the rows are on disk and raises `DatabaseUnavailable` when they cannot be."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering: Gathering[None, tuple[AuditRow, ...], None] = Gathering(self._write)

    async def record(self, *rows: AuditRow) -> None:
        await self._gathering.ask(None, rows)

    async def _write(self, _kind: None, asked: Sequence[tuple[AuditRow, ...]]) -> list[None]:
        async with self._database.connection() as connection:
            await connection.execute(_INSERT, encode_audit([row for rows in asked for row in rows]))
        return [None] * len(asked)
