"""Places of limited capacity: a bed, a slot, the one active referral of its kind (docs/adr/0026).

Each place is a row of its own under a unique key, so however many commits race for it one gets it. What has expired is free.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.fhir.outcomes import FhirError, Issue
from services.fhir.store.shards import shard_of
from services.fhir.store.terms import Hold

_HOLDERS: Final = """SELECT DISTINCT ON (key) key, holder FROM fhir.hold
WHERE (key, shard) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) AND (until IS NULL OR until > $3) ORDER BY key, n"""
_HELD: Final = """SELECT key, count(*) AS places FROM fhir.hold WHERE (key, shard) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
AND (until IS NULL OR until > $3) GROUP BY key"""
# Its own place again, else the first that is free. Of two who see the same free place the later waits for the earlier, and then
# finds it taken: no row.
_TAKE: Final = """INSERT INTO fhir.hold AS h (key, n, shard, holder, until)
SELECT $1::text, p.n, $2::bigint, $3::text, $4::timestamptz FROM generate_series(1, $5::bigint) p(n)
LEFT JOIN fhir.hold o ON o.key = $1 AND o.shard = $2 AND o.n = p.n
WHERE o.n IS NULL OR o.holder = $3 OR o.until <= $6
ORDER BY o.holder IS NOT DISTINCT FROM $3 DESC, p.n LIMIT 1
ON CONFLICT (key, n, shard) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE h.holder = excluded.holder OR h.until <= $6
RETURNING n"""
# Of what has one place alone, many in one statement: there is no other place to look for.
_TAKE_ONLY: Final = """INSERT INTO fhir.hold AS h (key, n, shard, holder, until)
SELECT key, 1, shard, holder, until FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[]) AS u (key, shard, holder, until)
ON CONFLICT (key, n, shard) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE h.holder = excluded.holder OR h.until <= $5
RETURNING key"""
_IS_FULL: Final = """SELECT count(*) >= $3::bigint FROM fhir.hold
WHERE key = $1 AND shard = $2 AND n <= $3 AND (until IS NULL OR until > $4)"""
_FREE: Final = "DELETE FROM fhir.hold WHERE holder = ANY($1::text[])"
_FREE_ONE: Final = "DELETE FROM fhir.hold WHERE holder = $1 AND key = $2 AND shard = $3"


class NothingFreeError(FhirError):
    """Every place of a key is held by others. Nothing was written."""

    def __init__(self, key: str) -> None:
        kind = key.partition(":")[0]
        issue = Issue("error", "conflict", f"No place is free: {kind}", "名额、床位或时段已满，请另选")
        super().__init__(409, (issue,))


async def forget(connection: Any, before: datetime) -> None:
    """Rows that have been free for long."""
    await connection.execute("DELETE FROM fhir.hold WHERE until < $1", before)


async def holders(connection: Any, keys: Sequence[str], at: datetime) -> Mapping[str, str]:
    found = await connection.fetch(_HOLDERS, list(keys), [shard_of(key) for key in keys], at)
    return {record["key"]: record["holder"] for record in found}


async def held(connection: Any, keys: Sequence[str], at: datetime) -> Mapping[str, int]:
    found = await connection.fetch(_HELD, list(keys), [shard_of(key) for key in keys], at)
    return {record["key"]: record["places"] for record in found}


async def free(connection: Any, frees: Sequence[str]) -> None:
    """All places of the holders; only that of the key where one follows the holder."""
    whole = [each for each in frees if " " not in each]
    if whole:
        await connection.execute(_FREE, whole)
    for one in frees:
        who, sign, key = one.partition(" ")
        if sign:
            await connection.execute(_FREE_ONE, who, key, shard_of(key))


async def take(connection: Any, takes: Sequence[Hold], at: datetime) -> bool:
    """False when another commit was faster, so that one should look again; NothingFreeError when all places are taken."""
    ordered = sorted(takes, key=lambda each: each.key)
    only, several = ([h for h in ordered if (h.capacity == 1) is is_only] for is_only in (True, False))
    missed = await _take_only(connection, only, at) if only else []
    missed += [hold for hold in several if not missed and not await _is_taken(connection, hold, at)][:1]
    for hold in missed[:1]:
        if await connection.fetchval(_IS_FULL, hold.key, shard_of(hold.key), hold.capacity, at):
            raise NothingFreeError(hold.key)
    return not missed


async def _take_only(connection: Any, holds: Sequence[Hold], at: datetime) -> list[Hold]:
    """Those that somebody else has."""
    keys = [hold.key for hold in holds]
    values = keys, [shard_of(key) for key in keys], [hold.holder for hold in holds], [hold.until for hold in holds]
    taken = {record["key"] for record in await connection.fetch(_TAKE_ONLY, *values, at)}
    return [hold for hold in holds if hold.key not in taken]


async def _is_taken(connection: Any, hold: Hold, at: datetime) -> bool:
    values = hold.key, shard_of(hold.key), hold.holder, hold.until, hold.capacity, at
    return await connection.fetchval(_TAKE, *values) is not None
