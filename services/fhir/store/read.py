"""Read one version, many current ones, or the past: http://hl7.org/fhir/R4/http.html#read"""

from collections.abc import Iterable, Sequence
from typing import Any

from services.fhir.store.rows import Stored, from_record
from services.fhir.store.shards import carried_shard, shard_of

_VERSION = "id, shard, version, updated, method, body, patient"
_PAST = f"SELECT {_VERSION} FROM fhir.history WHERE type = $1 AND id = $2 AND version = $3"
_TURN = "SELECT turn FROM fhir.unique_claim WHERE key = $1 AND shard = $2"


async def current(connection: Any, resource_type: str, resource_id: str) -> Stored | None:
    """The newest version, a deletion too; None when the id was never used."""
    by_id = f'SELECT {_VERSION} FROM fhir."{resource_type.lower()}" WHERE id = $1'
    shard = carried_shard(resource_id)
    record = await connection.fetchrow(f"{by_id} AND shard = $2", resource_id, shard) if shard is not None else None
    if record is None:  # an id that a client chose, or a resource that moved to another patient
        record = await connection.fetchrow(by_id, resource_id)
    return from_record(record, resource_type) if record else None


async def many(connection: Any, resource_type: str, ids: Sequence[str]) -> list[Stored]:
    """The newest versions of those ids that exist, in no order, deletions too."""
    sql = f'SELECT {_VERSION} FROM fhir."{resource_type.lower()}" WHERE id = ANY($1::text[])'
    return [from_record(r, resource_type) for r in await connection.fetch(sql, list(ids))]


async def existing(connection: Any, names: Iterable[str]) -> set[str]:
    """Those of the `Type/id` that are there and not deleted, whatever their types, in one statement."""
    pairs = [name.partition("/") for name in names]
    types = sorted({resource_type for resource_type, _, _ in pairs})
    sql = " UNION ALL ".join(
        f"""SELECT '{t}/' || id FROM fhir."{t.lower()}" WHERE id = ANY($1::text[]) AND NOT deleted""" for t in types
    )
    found = await connection.fetch(sql, list({resource_id for _, _, resource_id in pairs}))
    return {record[0] for record in found}


async def turn(connection: Any, key: str) -> int:
    """How often a key was claimed so far (store/write.py)."""
    found = await connection.fetchval(_TURN, key, shard_of(key))
    return int(found or 0)


async def version(connection: Any, resource_type: str, resource_id: str, number: int) -> Stored | None:
    newest = await current(connection, resource_type, resource_id)
    if newest is None or newest.version == number:
        return newest
    record = await connection.fetchrow(_PAST, resource_type, resource_id, number)
    return from_record(record, resource_type) if record else None
