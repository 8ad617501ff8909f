"""Versions newest first, of one resource, one type or all: http://hl7.org/fhir/R4/http.html#history

The order of a type or of the system comes from `fhir.change`, one narrow row per version; bodies are then fetched for the page alone.
"""

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec

from services.fhir.store.rows import Stored, from_record

_VERSION = "id, shard, version, updated, method, body, patient"


class HistoryQuery(msgspec.Struct, frozen=True):
    """`type` and `id` narrow; `after` continues behind (instant, type, id, version)."""

    types: tuple[str, ...]
    id: str | None
    count: int
    since: datetime | None = None
    after: tuple[datetime, str, str, int] | None = None


async def history(connection: Any, query: HistoryQuery) -> list[Stored]:
    """At most `count + 1` versions, so that the caller sees whether more follow."""
    if query.id is not None:
        return await _of_instance(connection, query.types[0], query.id, query)
    return await _with_bodies(connection, await _changes(connection, query))


async def _of_instance(connection: Any, resource_type: str, resource_id: str, query: HistoryQuery) -> list[Stored]:
    sql = f"""SELECT * FROM (
      SELECT {_VERSION} FROM fhir."{resource_type.lower()}" WHERE id = $1
      UNION ALL SELECT {_VERSION} FROM fhir.history WHERE type = $2 AND id = $1) v
    WHERE ($3::timestamptz IS NULL OR updated >= $3) AND ($4::bigint IS NULL OR version < $4)
    ORDER BY version DESC LIMIT $5"""
    before = query.after[3] if query.after else None
    found = await connection.fetch(sql, resource_id, resource_type, query.since, before, query.count + 1)
    return [from_record(r, resource_type) for r in found]


async def _changes(connection: Any, query: HistoryQuery) -> list[Any]:
    conditions = ["true"]
    values: list[Any] = []
    if len(query.types) == 1:
        values.append(query.types[0])
        conditions.append(f"type = ${len(values)}")
    if query.since is not None:
        values.append(query.since)
        conditions.append(f"at >= ${len(values)}")
    if query.after is not None:
        values.extend(query.after)
        n = len(values)
        conditions.append(f"(at, type, id, version) < (${n - 3}, ${n - 2}, ${n - 1}, ${n})")
    values.append(query.count + 1)
    sql = f"""SELECT type, id, version FROM fhir.change WHERE {" AND ".join(conditions)}
    ORDER BY at DESC, type DESC, id DESC, version DESC LIMIT ${len(values)}"""
    return list(await connection.fetch(sql, *values))


async def _with_bodies(connection: Any, changes: list[Any]) -> list[Stored]:
    by_type = defaultdict(list)
    for change in changes:
        by_type[change["type"]].append((change["id"], change["version"]))
    found: dict[tuple[str, str, int], Stored] = {}
    for resource_type, wanted in by_type.items():
        sql = f"""WITH w AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS w (id, version))
        SELECT {_of("t")} FROM w JOIN fhir."{resource_type.lower()}" t USING (id, version)
        UNION ALL SELECT {_of("h")} FROM w JOIN fhir.history h ON h.type = $3 AND h.id = w.id AND h.version = w.version"""
        records = await connection.fetch(sql, [i for i, _ in wanted], [v for _, v in wanted], resource_type)
        found |= {(resource_type, r["id"], r["version"]): from_record(r, resource_type) for r in records}
    return [found[c["type"], c["id"], c["version"]] for c in changes if (c["type"], c["id"], c["version"]) in found]


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _VERSION.split(", "))
