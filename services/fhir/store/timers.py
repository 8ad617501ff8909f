"""Timers that a commit sets, and that are used up by the commit that is their effect (docs/adr/0027)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import shuffle
from typing import Any, Final
from zlib import crc32

from services.fhir.store.terms import Fired, Timer, Timers

BUCKETS: Final = 16

# A row is either deleted or written anew: one statement must not do both.
_REPLACE: Final = """WITH new AS (
  SELECT * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[]) u (holder, act, shard, service, due)),
gone AS (DELETE FROM fhir.timer t WHERE (t.holder, t.shard) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
  AND NOT EXISTS (SELECT FROM new WHERE new.holder = t.holder AND new.act = t.act))
INSERT INTO fhir.timer (holder, act, shard, service, due, ready, attempts)
SELECT holder, act, shard, service, due, due, 0 FROM new
ON CONFLICT (holder, act, shard) DO UPDATE SET service = excluded.service, due = excluded.due, ready = excluded.due, attempts = 0"""
# What wakes at once is given to who sets it, as if that one had taken it up. Each time it is another timer: an effect under way is not of this one.
_WAKE: Final = """INSERT INTO fhir.timer AS t (holder, act, shard, service, due, ready, attempts)
SELECT holder, act, shard, $4, $5::timestamptz, $5::timestamptz + $6::interval, 1 FROM unnest($1::text[], $2::text[], $3::bigint[]) u (holder, act, shard)
ON CONFLICT (holder, act, shard) DO UPDATE SET attempts = 1, ready = excluded.ready,
  due = greatest(excluded.due, t.due + interval '1 microsecond')
RETURNING holder, act, due"""
_SET_ONCE: Final = """INSERT INTO fhir.timer (holder, act, shard, service, due, ready, attempts)
SELECT holder, act, shard, $4, due, due, 0 FROM unnest($1::text[], $2::text[], $3::bigint[], $5::timestamptz[]) u (holder, act, shard, due)
ON CONFLICT DO NOTHING"""
_USE: Final = "DELETE FROM fhir.timer WHERE holder = $1 AND act = $2 AND due = $3 AND shard = $4"


_DUE: Final = "SELECT DISTINCT shard FROM fhir.timer WHERE service = $1 AND ready <= $2"
# A timer that is taken up is ready again when its lease is over, if it is still there.
_TAKE_UP: Final = """UPDATE fhir.timer t SET attempts = t.attempts + 1,
  ready = $3::timestamptz + least($4::interval * power(2, least(t.attempts, 20)), interval '1 hour')
FROM (SELECT holder, act FROM fhir.timer WHERE shard = $1 AND service = $2 AND ready <= $3
  ORDER BY ready LIMIT $5 FOR UPDATE SKIP LOCKED) d
WHERE t.shard = $1 AND t.holder = d.holder AND t.act = d.act RETURNING t.holder, t.act, t.due"""
MOST: Final = 20


class UsedUpError(Exception):
    """The timer is not there any more: its effect was done, or other timers were set. Nothing was written."""


async def take_up(connection: Any, service: str, now: datetime, lease: timedelta) -> list[Fired]:
    """Some of what is due in one bucket, for this worker alone until the lease is over; earliest first."""
    buckets = [record["shard"] for record in await connection.fetch(_DUE, service, now)]
    shuffle(buckets)  # so that several workers do not look in the same order
    for each in buckets:
        found = await connection.fetch(_TAKE_UP, each, service, now, lease, MOST)
        if found:
            return sorted((Fired(**record) for record in found), key=lambda fired: fired.due)
    return []


async def wake(
    connection: Any, service: str, holders_and_acts: Iterable[tuple[str, str]], now: datetime, lease: timedelta
) -> list[Fired]:
    """Timers that are due now and taken up by who sets them; another worker finds them when the lease is over."""
    pairs = sorted({*holders_and_acts})
    if not pairs:
        return []
    columns = [[holder for holder, _ in pairs], [act for _, act in pairs], [bucket(holder) for holder, _ in pairs]]
    return [Fired(**record) for record in await connection.fetch(_WAKE, *columns, service, now, lease)]


async def set_once(connection: Any, service: str, timers: Iterable[tuple[str, Timer]]) -> None:
    """Those that are not there yet."""
    by_name = {(holder, timer.act): timer.due for holder, timer in timers}
    if by_name:
        pairs = sorted(by_name)
        columns = [[holder for holder, _ in pairs], [act for _, act in pairs], [bucket(holder) for holder, _ in pairs]]
        await connection.execute(_SET_ONCE, *columns, service, [by_name[each] for each in pairs])


def bucket(holder: str) -> int:
    """The shard of all timers of a holder: few, for workers to look through."""
    return crc32(holder.encode()) % BUCKETS


async def use(connection: Any, fired: Fired) -> None:
    done = await connection.execute(_USE, fired.holder, fired.act, fired.due, bucket(fired.holder))
    if done != "DELETE 1":
        raise UsedUpError


async def replace(connection: Any, timers: Sequence[Timers]) -> None:
    ordered = sorted(timers, key=lambda each: each.holder)
    holders = [each.holder for each in ordered]
    rows = [(t.holder, one.act, bucket(t.holder), t.service, one.due) for t in ordered for one in t.timers]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
    await connection.execute(_REPLACE, holders, [bucket(holder) for holder in holders], *columns)
