"""The outbox as a stream: every committed version once, in the order in which it was written (docs/adr/0013, docs/adr/0030).

A version is `written` before its commit is visible, so a reader goes on only up to an instant before which every writer has ended. A later
version of a resource is written after the earlier one was committed: the order per resource is that of its versions.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

# A writer holds its lock on the outbox from before it reads the clock for `written` until its commit is visible to all.
_UNDER_WAY: Final = """
SELECT statement_timestamp() AS asked, ARRAY(SELECT virtualtransaction FROM pg_locks
  WHERE locktype = 'relation' AND relation = 'fhir.change'::regclass AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()) AS writers"""
Place = tuple[datetime, str, str, int]
"""`written`, type, id and version of the last change that was read, or an instant before which all were."""

PAUSE: Final = 0.005
BATCH: Final = 500
# Where nothing but the position is written: after a crash the same is read again, with the same result.
MAY_BE_FORGOTTEN: Final = "SET LOCAL synchronous_commit = off"
_AT_LEAST: Final = "interval '1 second'"
_POSITION: Final = "SELECT written, type, id, version FROM fhir.outbox_reader WHERE name = $1 AND shard = 0"
_KEY: Final = "(written, type, id, version)"
_BEGINNING: Final[Place] = (datetime(1970, 1, 1, tzinfo=UTC), "", "", 0)


class Change(msgspec.Struct, frozen=True):
    """One committed version."""

    shard: int
    type: str
    id: str
    version: int
    at: datetime
    method: str
    patient: str | None
    written: datetime

    @property
    def key(self) -> tuple[str, str, int]:
        return self.type, self.id, self.version

    @property
    def place(self) -> Place:
        return self.written, *self.key


async def settled(connection: Any, pauses: int) -> datetime | None:
    """Wait until every commit that was under way is there or undone: all that is written later is `written` after this instant.

    None when one of them was still under way after so many pauses.
    """
    record = await connection.fetchrow(_UNDER_WAY)
    asked: datetime = record["asked"]
    writers = set(record["writers"])
    for _ in range(pauses):
        if not writers:
            break
        await asyncio.sleep(PAUSE)
        writers &= set((await connection.fetchrow(_UNDER_WAY))["writers"])
    return None if writers and pauses else asked


async def has_news(connection: Any, reader: str, types: Iterable[str] | None) -> bool:
    """Whether something of these types, or of any, was committed that the reader has not read, who may be new; or anything, once a second: its place moves on."""
    sql = f"""WITH p AS ({_POSITION}) SELECT NOT EXISTS (SELECT FROM p)
    OR EXISTS (SELECT FROM fhir.change c, p WHERE c.written >= p.written AND (c.written, c.type, c.id, c.version) > (p.written, p.type, p.id, p.version)
      AND ($2::text[] IS NULL OR c.type = ANY($2)))
    OR EXISTS (SELECT FROM (SELECT written FROM fhir.change ORDER BY written DESC LIMIT 1) newest, p
      WHERE newest.written > p.written AND p.written < statement_timestamp() - {_AT_LEAST})"""
    return bool(await connection.fetchval(sql, reader, None if types is None else sorted({*types})))


async def place_of(connection: Any, reader: str) -> Place | None:
    """How far the reader has read, who then has it for itself until the transaction ends; None while another one reads."""
    sql = "INSERT INTO fhir.outbox_reader (name, shard, written, type, id, version) VALUES ($1, 0, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
    found = await connection.fetchrow(f"{_POSITION} FOR UPDATE SKIP LOCKED", reader)
    if found is None:
        await connection.execute(sql, reader, *_BEGINNING)  # does nothing where it is only locked
        found = await connection.fetchrow(f"{_POSITION} FOR UPDATE SKIP LOCKED", reader)
    return (found["written"], found["type"], found["id"], found["version"]) if found else None


async def read_on(connection: Any, place: Place, until: datetime, types: Iterable[str]) -> tuple[list[Change], Place]:
    """The next changes of these types before `until`, and the place behind them: what nobody asks for is passed over in the database."""
    text = f"""SELECT shard, type, id, version, at, method, patient, written FROM fhir.change
    WHERE written >= $1 AND written < $5 AND {_KEY} > ($1, $2, $3, $4) AND type = ANY($6) ORDER BY written, type, id, version LIMIT {BATCH}"""
    found = [Change(*record) for record in await connection.fetch(text, *place, until, sorted({*types}))]
    return found, found[-1].place if len(found) == BATCH else max(place, (until, "", "", 0))


async def begin(connection: Any, reader: str) -> None:
    """A new reader hears what is written from now on; nothing where it is there already."""
    sql = """INSERT INTO fhir.outbox_reader (name, shard, written, type, id, version) VALUES ($1, 0, clock_timestamp(), '', '', 0)
    ON CONFLICT DO NOTHING"""
    await connection.execute(sql, reader)


async def advance(connection: Any, reader: str, place: Place) -> None:
    sql = "UPDATE fhir.outbox_reader SET written = $2, type = $3, id = $4, version = $5 WHERE name = $1 AND shard = 0"
    await connection.execute(sql, reader, *place)
