"""Read one version, many current ones, or the past: http://hl7.org/fhir/R4/http.html#read"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jiter
import msgspec

from services.fhir.access.access import Access
from services.fhir.scopes import READ
from services.fhir.store.access import live, visible
from services.fhir.store.rows import Claim, Stored, from_record
from services.fhir.store.shards import carried_shard, shard_of
from services.fhir.store.statement import Rows, Sql, Subject, table
from services.fhir.store.tables import stored_types

_VERSION = "id, shard, version, updated, method, body, patient"
_TO_WRITE = f"{_VERSION}, author, patients, labels"
_TURN = "SELECT turn FROM fhir.unique_claim WHERE key = $1 AND shard = $2"
_TURNS = """SELECT key, turn, made FROM fhir.unique_claim
WHERE (key, shard) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))"""


async def current(connection: Any, resource_type: str, resource_id: str, access: Access) -> Stored | None:
    """The newest version, a deletion too; None when the id was never used, as far as the caller may know."""
    record = await _by_id(connection, resource_type, resource_id, access, _shown)
    return from_record(record, resource_type) if record else None


Writable = tuple[Stored | None, bool]
"""The newest version that the caller may replace, with all that decides who sees it; True when there is one out of reach."""


class Seen(NamedTuple):
    """What a read gives, and what of the same moment may be replaced."""

    shown: Stored | None
    writable: Writable


NOTHING_SEEN = Seen(None, (None, False))


async def to_write(connection: Any, resource_type: str, resource_id: str, access: Access) -> Writable:
    record = await _by_id(connection, resource_type, resource_id, access, _to_write)
    return _writable(record, resource_type) if record else (None, False)


async def to_change(connection: Any, resource_type: str, resource_id: str, access: Access) -> Seen:
    record = await _by_id(connection, resource_type, resource_id, access, _to_change)
    return _seen(record, resource_type) if record else NOTHING_SEEN


async def many_to_change(connection: Any, resource_type: str, ids: Sequence[str], access: Access) -> dict[str, Seen]:
    sql = Sql(access)
    columns, _ = _to_change(Subject("t", resource_type), sql)
    text = f"SELECT {columns} FROM {table(resource_type)} t WHERE t.id = ANY({sql.bind(list(ids), 'text[]')})"
    records = {r["id"]: r for r in await connection.fetch(text, *sql.values)}
    return {each: _seen(records[each], resource_type) if each in records else NOTHING_SEEN for each in ids}


def _seen(record: Any, resource_type: str) -> Seen:
    return Seen(from_record(record, resource_type) if record["shown"] else None, _writable(record, resource_type))


async def many_to_write(connection: Any, resource_type: str, ids: Sequence[str], access: Access) -> dict[str, Writable]:
    """The same for many at once, by id."""
    sql = Sql(access)
    there = f"t.id = ANY({sql.bind(list(ids), 'text[]')})"
    columns, _ = _to_write(Subject("t", resource_type), sql)
    text = f"SELECT {columns} FROM {table(resource_type)} t WHERE {there}"
    records = {r["id"]: r for r in await connection.fetch(text, *sql.values)}
    return {each: _writable(records[each], resource_type) if each in records else (None, False) for each in ids}


async def named_to_write(connection: Any, names: Iterable[str], access: Access) -> dict[tuple[str, str], Writable]:
    """The same for resources of any types, by `Type/id`, in one statement; what is no such name is passed over."""
    by_type: dict[str, list[str]] = {}
    for name in names:
        resource_type, _, resource_id = name.partition("/")
        if resource_type in stored_types() and resource_id:
            by_type.setdefault(resource_type, []).append(resource_id)
    if not by_type:
        return {}
    sql = Sql(access)
    text = " UNION ALL ".join(_each_to_write(kind, ids, sql) for kind, ids in sorted(by_type.items()))
    records = {(r["type"], r["id"]): r for r in await connection.fetch(text, *sql.values)}
    asked = [(kind, each) for kind, ids in by_type.items() for each in ids]
    return {name: _writable(records[name], name[0]) if name in records else (None, False) for name in asked}


def _each_to_write(resource_type: str, ids: list[str], sql: Sql) -> str:
    columns, _ = _to_write(Subject("t", resource_type), sql)
    there = f"t.id = ANY({sql.bind(ids, 'text[]')})"
    return f"SELECT '{resource_type}' AS type, {columns} FROM {table(resource_type)} t WHERE {there}"


def _writable(record: Any, resource_type: str) -> Writable:
    if not record["writable"]:
        return None, True
    patients, labels = record["patients"], record["labels"]
    return msgspec.structs.replace(
        from_record(record, resource_type),
        author=record["author"],
        patients=tuple(patients) if patients is not None else None,
        labels=tuple(labels) if labels is not None else None,
    ), False


_Ask = Callable[[Subject, Sql], tuple[str, str]]
"""What is asked of a row, and on what condition: the columns and the predicate."""


def _shown(row: Subject, sql: Sql) -> tuple[str, str]:
    return _VERSION, visible(row, sql)


def _to_write(row: Subject, sql: Sql) -> tuple[str, str]:
    return f"{_TO_WRITE}, ({visible(row, sql, writing=True)}) IS TRUE AS writable", "true"


def _to_change(row: Subject, sql: Sql) -> tuple[str, str]:
    columns, _ = _to_write(row, sql)
    return f"{columns}, ({visible(row, sql)}) IS TRUE AS shown", "true"


async def _by_id(connection: Any, resource_type: str, resource_id: str, access: Access, ask: _Ask) -> Any:
    shard = carried_shard(resource_id)
    if shard is not None:
        record = await _fetch(connection, resource_type, resource_id, shard, access, ask)
        if record is not None:
            return record
    # an id that a client chose, or a resource that moved to another patient
    return await _fetch(connection, resource_type, resource_id, None, access, ask)


async def _fetch(
    connection: Any, resource_type: str, resource_id: str, shard: int | None, access: Access, ask: _Ask
) -> Any:
    sql = Sql(access)
    there = f"t.id = {sql.bind(resource_id, 'text')}"
    there += f" AND t.shard = {sql.bind(shard, 'bigint')}" if shard is not None else ""
    columns, condition = ask(Subject("t", resource_type, is_alone=True), sql)
    text = f"SELECT {columns} FROM {table(resource_type)} t WHERE {there} AND {condition}"
    return await connection.fetchrow(text, *sql.values)


async def many(connection: Any, resource_type: str, ids: Sequence[str], access: Access) -> list[Stored]:
    """The newest versions of those ids that exist, in no order, deletions too."""
    sql = Sql(access)
    there = (
        f"t.id = ANY({sql.bind(list(ids), 'text[]')}) AND {visible(Subject('t', resource_type, is_alone=True), sql)}"
    )
    found = await connection.fetch(f"SELECT {_VERSION} FROM {table(resource_type)} t WHERE {there}", *sql.values)
    return [from_record(r, resource_type) for r in found]


async def existing(connection: Any, names: Iterable[str], access: Access) -> set[str]:
    """Those of the `Type/id` that are there and not deleted, whatever their types, in one statement."""
    pairs = [name.partition("/") for name in names]
    types = sorted({resource_type for resource_type, _, _ in pairs})
    sql = Sql(access)
    ids = sql.bind(list({resource_id for _, _, resource_id in pairs}), "text[]")
    text = " UNION ALL ".join(
        f"SELECT '{t}/' || t.id FROM {table(t)} t WHERE t.id = ANY({ids}) AND {live(Rows('t', t), sql)}" for t in types
    )
    return {record[0] for record in await connection.fetch(text, *sql.values)}


def admits(access: Access, letters: str, version: Stored) -> bool:
    """Whether the scopes grant a version by what it says itself; a deletion says nothing (docs/adr/0049)."""
    if access.limits is None or not access.limits.is_limited(version.type, letters):
        return True
    body = version.body
    return body is not None and access.limits.admits(letters, jiter.from_json(body.encode(), float_mode="decimal"))


async def turn(connection: Any, key: str) -> int:
    """How often a key was claimed so far (store/write.py)."""
    found = await connection.fetchval(_TURN, key, shard_of(key))
    return int(found or 0)


async def turns(connection: Any, keys: Sequence[str]) -> dict[str, Claim]:
    """The same for many, with what was made under each; 0 for what was never claimed."""
    found = await connection.fetch(_TURNS, list(keys), [shard_of(key) for key in keys])
    taken = {record["key"]: Claim(record["key"], record["turn"], record["made"]) for record in found}
    return {key: taken.get(key) or Claim(key, 0) for key in keys}


async def version(connection: Any, resource_type: str, resource_id: str, number: int, access: Access) -> Stored | None:
    """An older version is seen by what it was about itself, and by every label that it got since."""
    newest = await current(connection, resource_type, resource_id, access)
    if newest is None or newest.version == number:
        return newest
    sql = Sql(access)
    kind, name, n = sql.bind(resource_type, "text"), sql.bind(resource_id, "text"), sql.bind(number, "bigint")
    there = f"h.type = {kind} AND h.id = {name} AND h.version = {n} AND {visible(Subject('h', resource_type, is_alone=True, is_past=True), sql)}"
    record = await connection.fetchrow(f"SELECT {_VERSION} FROM fhir.history h WHERE {there}", *sql.values)
    found = from_record(record, resource_type) if record else None
    return found if found is not None and admits(access, READ, found) else None


async def versions(connection: Any, keys: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str, int], Stored]:
    """Versions by (type, id, number), of those that were found for whoever asks already; one that is gone is not there."""
    by_type: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for resource_type, resource_id, number in keys:
        by_type[resource_type].append((resource_id, number))
    found: dict[tuple[str, str, int], Stored] = {}
    for resource_type, wanted in by_type.items():
        sql = f"""WITH w AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS w (id, version))
        SELECT {_of("t")} FROM w JOIN fhir."{resource_type.lower()}" t USING (id, version)
        UNION ALL SELECT {_of("h")} FROM w JOIN fhir.history h ON h.type = $3 AND h.id = w.id AND h.version = w.version"""
        records = await connection.fetch(sql, [i for i, _ in wanted], [n for _, n in wanted], resource_type)
        found |= {(resource_type, r["id"], r["version"]): from_record(r, resource_type) for r in records}
    return found


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _VERSION.split(", "))
