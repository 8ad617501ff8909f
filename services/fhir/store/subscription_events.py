"""The queue of notifications: numbered events, pending until they are delivered, withheld or dead (docs/adr/0030).

Of one focus only the oldest pending event may go out, so what happened to a resource is told in its order whatever fails in between.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from services.fhir.access.access import Access
from services.fhir.store.access import visible
from services.fhir.store.outbox import Change
from services.fhir.store.shards import shard_of
from services.fhir.store.statement import Sql, Subject
from services.fhir.store.subscribers import Subscriber

EventState = Literal["pending", "delivered", "withheld", "dead"]

_COLUMNS: Final = "number, type, id, version, at, method, patient, state, attempts"
# Work was added; it is due at once, but not before the gate of an endpoint that fails.
_RAISED: Final = "turn = turn + 1, due = least(due, greatest(clock_timestamp(), gate))"


class Event(msgspec.Struct, frozen=True):
    """One version of a focus, under its number in one subscription."""

    number: int
    type: str
    id: str
    version: int
    at: datetime
    method: str
    patient: str | None
    state: EventState
    attempts: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.type, self.id, self.version


async def in_reach(connection: Any, versions: Iterable[Change | Event], access: Access) -> set[tuple[str, str, int]]:
    """Those of the versions that may be known to who asks, now: by grants, consents and labels."""
    asked = [*versions]
    if not asked:
        return set()
    sql = Sql(access)
    kinds, ids = sql.bind([v.type for v in asked], "text[]"), sql.bind([v.id for v in asked], "text[]")
    numbers, instants = (
        sql.bind([v.version for v in asked], "bigint[]"),
        sql.bind([v.at for v in asked], "timestamptz[]"),
    )
    text = f"""SELECT c.type, c.id, c.version FROM unnest({kinds}, {ids}, {numbers}, {instants}) AS u (type, id, version, at)
    JOIN fhir.change c ON (c.at, c.type, c.id, c.version) = (u.at, u.type, u.id, u.version) WHERE {visible(Subject("c", None, is_past=True), sql)}"""
    return {(r["type"], r["id"], r["version"]) for r in await connection.fetch(text, *sql.values)}


async def number(connection: Any, who: Subscriber, first: int, changes: Sequence[Change]) -> None:
    """Give the changes the numbers from `first` on, in the transaction that read them from the outbox."""
    await connection.execute(
        """INSERT INTO fhir.subscription_event
          (subscription, shard, number, type, id, version, at, method, patient, state, created, due, attempts)
        SELECT $1, $2, u.*, 'pending', clock_timestamp(), clock_timestamp(), 0
        FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[], $8::text[], $9::text[]) u""",
        who.id,
        who.shard,
        [*range(first, first + len(changes))],
        [c.type for c in changes],
        [c.id for c in changes],
        [c.version for c in changes],
        [c.at for c in changes],
        [c.method for c in changes],
        [c.patient for c in changes],
    )
    sql = f"UPDATE fhir.subscriber SET events = $3, {_RAISED} WHERE id = $1 AND shard = $2"
    await connection.execute(sql, who.id, who.shard, first + len(changes) - 1)


async def ready(connection: Any, who: Subscriber, most: int) -> list[Event]:
    """The oldest events that may go out now, in their order."""
    sql = f"""SELECT {_COLUMNS} FROM fhir.subscription_event e
    WHERE subscription = $1 AND shard = $2 AND state = 'pending' AND due <= statement_timestamp() AND NOT EXISTS (
      SELECT FROM fhir.subscription_event p WHERE p.subscription = $1 AND p.shard = $2 AND p.state = 'pending' AND p.attempts > 0
        AND p.type = e.type AND p.id = e.id AND p.number < e.number AND p.due > statement_timestamp())
    ORDER BY number LIMIT $3"""
    return [Event(**record) for record in await connection.fetch(sql, who.id, who.shard, most)]


async def seconds_to_next(connection: Any, who: Subscriber) -> float | None:
    """Until an event that was refused is tried again; None where there is none."""
    sql = """SELECT extract(epoch FROM min(due) - clock_timestamp())::float8 FROM fhir.subscription_event
    WHERE subscription = $1 AND shard = $2 AND state = 'pending' AND attempts > 0"""
    seconds: float | None = await connection.fetchval(sql, who.id, who.shard)
    return seconds


async def settle(connection: Any, who: Subscriber, state: EventState, numbers: Sequence[int]) -> None:
    """Delivered, or not to be told."""
    sql = """UPDATE fhir.subscription_event SET state = $4, sent = clock_timestamp(), attempts = attempts + 1
    WHERE subscription = $1 AND shard = $2 AND number = ANY($3::bigint[]) AND state = 'pending'"""
    await connection.execute(sql, who.id, who.shard, list(numbers), state)


async def postpone(connection: Any, who: Subscriber, event: int, pause: timedelta) -> None:
    """The endpoint has refused this one: others, of other resources, go first."""
    sql = """UPDATE fhir.subscription_event SET attempts = attempts + 1, due = clock_timestamp() + $4::interval
    WHERE subscription = $1 AND shard = $2 AND number = $3"""
    await connection.execute(sql, who.id, who.shard, event, pause)


async def bury(connection: Any, who: Subscriber, older_than: timedelta) -> int:
    """Dead letters: what could not be delivered for so long, zero for all that is pending. How many."""
    sql = """UPDATE fhir.subscription_event SET state = 'dead' WHERE subscription = $1 AND shard = $2 AND state = 'pending'
    AND created <= statement_timestamp() - $3::interval"""
    return _count(await connection.execute(sql, who.id, who.shard, older_than))


async def replay(connection: Any, who: str, since: int | None, until: int | None) -> int:
    """Send again: the dead letters, or all that have a number of the range. How many."""
    dead = since is None and until is None
    sql = """UPDATE fhir.subscription_event SET state = 'pending', created = clock_timestamp(), due = clock_timestamp(), attempts = 0
    WHERE subscription = $1 AND shard = $2 AND CASE WHEN $3 THEN state = 'dead' ELSE number BETWEEN $4 AND $5 END"""
    shard = shard_of(who)
    async with connection.transaction():
        count = _count(await connection.execute(sql, who, shard, dead, since or 1, until or 2**62))
        await connection.execute(f"UPDATE fhir.subscriber SET {_RAISED} WHERE id = $1 AND shard = $2", who, shard)
    return count


async def told(connection: Any, who: str, since: int, until: int, most: int) -> list[Event]:
    """What has a number of the range, whatever became of it."""
    sql = f"""SELECT {_COLUMNS} FROM fhir.subscription_event WHERE subscription = $1 AND shard = $2
    AND number BETWEEN $3 AND $4 ORDER BY number LIMIT $5"""
    return [Event(**record) for record in await connection.fetch(sql, who, shard_of(who), since, until, most)]


async def counts(connection: Any, who: str) -> dict[str, int]:
    sql = (
        "SELECT state, count(*) AS n FROM fhir.subscription_event WHERE subscription = $1 AND shard = $2 GROUP BY state"
    )
    return {record["state"]: record["n"] for record in await connection.fetch(sql, who, shard_of(who))}


async def forget(connection: Any, older_than: timedelta) -> int:
    """What is settled and so old that nobody may ask for it any longer."""
    sql = "DELETE FROM fhir.subscription_event WHERE created < statement_timestamp() - $1::interval AND state <> 'pending'"
    return _count(await connection.execute(sql, older_than))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
