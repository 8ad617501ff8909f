"""The chain's tables: rows that no block holds yet, blocks, what was pruned (docs/adr/0016).

A row is sealed when each transaction older than the oldest open one has ended: what will commit late has a later place. So no row is
passed over, whatever the order of commits, and nothing on the hot path waits for the chain.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from services.fhir.audit.chain import COLUMNS, NOWHERE, Block, Place, Reached

MOST: Final = 5000  # rows of one block
_TURN: Final = 0x7365616C  # a courtesy between sealers: what makes a block one is its number, the primary key

_LAST: Final = "~"  # behind every id
_OVERLAP: Final = timedelta(minutes=2)  # a row of that time may stand in two blocks, and does no harm there

_ROW: Final = ", ".join(f'a."{column}"' for column in COLUMNS)
_BLOCK: Final = "number, previous, algorithm, sealed, end_tx, end_event, since, events, digests, lasting, hash, key, mac"  # as `_values`
_SETTLED: Final = "a.tx < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint"
_NEXT: Final = f"""SELECT {_ROW} FROM fhir.audit a WHERE a.tx >= $1 AND (a.tx, a.event) > ($1, $2) AND {_SETTLED}
AND ($3::timestamptz IS NULL OR a.at >= $3) ORDER BY a.tx, a.event LIMIT {MOST}"""
_UNCHAINED: Final = """FROM fhir.audit a LEFT JOIN (SELECT unnest(events) AS event FROM fhir.audit_block) b ON b.event = a.event
WHERE b.event IS NULL"""
_FOREIGN: Final = "a.tx >= (pg_snapshot_xmax(pg_current_snapshot())::text)::bigint"  # no transaction of this cluster
_LEFT: Final = f"SELECT {_ROW} {_UNCHAINED} AND (a.tx < $1 OR {_FOREIGN}) ORDER BY a.tx, a.event LIMIT {MOST}"
_XMIN: Final = "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint"

Row = Mapping[str, Any]


class AnotherSealedError(Exception):
    """Another process made the block of this number."""


async def is_my_turn(connection: Any) -> bool:
    """Inside a transaction, until its end."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _TURN))


async def unsealed(connection: Any, head: Block | None, now: datetime) -> tuple[list[Row], Reached]:
    """The rows behind the head, oldest first, and how far the chain reaches with them."""
    settled = await connection.fetchval(_XMIN)
    if head is None:
        return await _all_unchained(connection, settled, Reached(NOWHERE), Reached(Place(settled - 1, _LAST)))
    reached = head.reached
    if settled <= reached.end.tx:
        return await _all_unchained(connection, settled, reached, Reached(Place(settled - 1, _LAST), now - _OVERLAP))
    rows = await connection.fetch(_NEXT, reached.end.tx, reached.end.event, reached.since)
    return rows, Reached(Place(rows[-1]["tx"], rows[-1]["event"]), reached.since) if rows else reached


async def _all_unchained(connection: Any, settled: int, before: Reached, behind: Reached) -> tuple[list[Row], Reached]:
    """A database that was restored into another cluster counts its transactions anew: compare all rows with all blocks, until none is left.

    From then on a row of the other count is known by its time.
    """
    rows = await connection.fetch(_LEFT, settled)
    return rows, behind if len(rows) < MOST else before


async def head(connection: Any) -> Block | None:
    record = await connection.fetchrow(f"SELECT {_BLOCK} FROM fhir.audit_block ORDER BY number DESC LIMIT 1")
    return _block(record) if record else None


async def append(connection: Any, block: Block) -> None:
    places = ", ".join(f"${n}" for n in range(1, 14))
    try:
        await connection.execute(f"INSERT INTO fhir.audit_block ({_BLOCK}) VALUES ({places})", *_values(block))
    except asyncpg.UniqueViolationError as error:
        raise AnotherSealedError from error


async def blocks(connection: Any, page: int = 100) -> AsyncIterator[Block]:
    """All, in the order of their numbers."""
    number = -1
    while found := await connection.fetch(
        f"SELECT {_BLOCK} FROM fhir.audit_block WHERE number > $1 ORDER BY number LIMIT $2", number, page
    ):
        for record in found:
            yield _block(record)
        number = found[-1]["number"]


async def rows_of(connection: Any, events: Sequence[str]) -> list[Row]:
    """The rows that have these ids, as they are now."""
    found: list[Row] = await connection.fetch(f"SELECT {_ROW} FROM fhir.audit a WHERE a.event = ANY($1)", list(events))
    return found


async def first_unchained(connection: Any, end: Place, settled_seconds: int) -> str | None:
    """A row that no block holds although it stands before the chain's end, or has waited for that long."""
    sql = f"""SELECT a.event {_UNCHAINED} AND ((a.tx, a.event) <= ($1, $2) OR a.at < now() - make_interval(secs => $3))
    ORDER BY a.tx, a.event LIMIT 1"""
    found: str | None = await connection.fetchval(sql, end.tx, end.event, settled_seconds)
    return found


async def delete_rows(connection: Any, events: Sequence[str]) -> int:
    done = await connection.execute("DELETE FROM fhir.audit WHERE event = ANY($1)", list(events))
    return int(done.rpartition(" ")[2])


def _values(block: Block) -> tuple[Any, ...]:
    return (
        block.number,
        block.previous,
        block.algorithm,
        block.sealed,
        block.reached.end.tx,
        block.reached.end.event,
        block.reached.since,
        list(block.events),
        block.digests,
        list(block.lasting),
        block.hash,
        block.key,
        block.mac,
    )


def _block(record: Any) -> Block:
    return Block(
        number=record["number"],
        previous=record["previous"],
        algorithm=record["algorithm"],
        sealed=record["sealed"],
        reached=Reached(Place(record["end_tx"], record["end_event"]), record["since"]),
        events=tuple(record["events"]),
        digests=record["digests"],
        lasting=tuple(record["lasting"]),
        hash=record["hash"],
        key=record["key"],
        mac=record["mac"],
    )
