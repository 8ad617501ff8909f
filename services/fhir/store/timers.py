"""Timers that a commit sets, and that are used up by the commit that is their effect (docs/adr/0027)."""

from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

from services.fhir.store.terms import Fired, Timers

BUCKETS: Final = 16

_CLEAR: Final = "DELETE FROM fhir.timer WHERE (holder, shard) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))"
_SET: Final = """INSERT INTO fhir.timer (holder, act, shard, service, due, ready, attempts)
SELECT u.holder, u.act, u.shard, u.service, u.due, u.due, 0
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) u (holder, act, shard, service, due)"""
_USE: Final = "DELETE FROM fhir.timer WHERE holder = $1 AND act = $2 AND due = $3 AND shard = $4"


def bucket(holder: str) -> int:
    """The shard of all timers of a holder: few, for workers to look through."""
    return crc32(holder.encode()) % BUCKETS


async def use(connection: Any, fired: Fired) -> bool:
    """False when somebody else has used or replaced it."""
    done = await connection.execute(_USE, fired.holder, fired.act, fired.due, bucket(fired.holder))
    return bool(done == "DELETE 1")


async def replace(connection: Any, timers: Sequence[Timers]) -> None:
    ordered = sorted(timers, key=lambda each: each.holder)
    holders = [each.holder for each in ordered]
    await connection.execute(_CLEAR, holders, [bucket(holder) for holder in holders])
    rows = [(t.holder, one.act, bucket(t.holder), t.service, one.due) for t in ordered for one in t.timers]
    if rows:
        await connection.execute(_SET, *(list(column) for column in zip(*rows, strict=True)))
