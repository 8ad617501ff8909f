"""The commit: each statement writes versions, their predecessors, their outbox rows and the audit rows at once (docs/adr/0002).

A version enters by exactly one of two statements per type: `insert` for a resource that was not there, `replace` for one whose version is
the one that the caller saw. Rows travel as arrays, so a bundle of many costs one round trip per type and statement; a single write is
one autocommitted statement and so one round trip in all. Measured (PostgreSQL 18, two cores, eight connections, client beside it):
3.6 k creates/s as arrays, 3.6-4.0 k/s with scalar parameters, which is not worth a second path.
"""

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import Any, Final

import asyncpg
import msgspec

from services.fhir.access.access import Access
from services.fhir.search.index import date_parameters
from services.fhir.store import grants, holds, rests, timers
from services.fhir.store.literals import (
    array_literal,
    composites_literal,
    contained_literal,
    quantities_literal,
    ranges_literal,
)
from services.fhir.store.rows import AuditRow, Claim, Write
from services.fhir.store.shards import shard_of
from services.fhir.store.terms import Terms

_AUDIT: Final = ", ".join(f'"{name}"' for name in AuditRow.__struct_fields__)
AUDIT_INSERT: Final = (
    f"INSERT INTO fhir.audit ({_AUDIT}) SELECT {_AUDIT} FROM json_populate_recordset(NULL::fhir.audit, {{rows}}::json)"
)
CLAIM: Final = """
INSERT INTO fhir.unique_claim AS claim (key, shard, turn) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
ON CONFLICT (key, shard) DO UPDATE SET turn = excluded.turn WHERE claim.turn = excluded.turn - 1"""
_MOVED: Final = "DELETE FROM fhir.{table} WHERE id = $1 AND shard = $2 AND version = $3"
_KEEP_MOVED: Final = """
INSERT INTO fhir.history (type, id, version, shard, updated, method, body, patient, author, patients, labels, replaced)
SELECT $4, id, version, shard, updated, method, body, patient, author, patients, labels, $5 FROM fhir.{table} WHERE id = $1 AND shard = $2 AND version = $3"""


NOTHING: Final = Terms()


class VersionConflict(Exception):  # noqa: N818 - the state it names
    """Another commit came first; what was read must be read again. Nothing was written."""


_CONFLICTS = (
    asyncpg.UniqueViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.CheckViolationError,  # prepared too long ago for `_since` to find it: store/history.py
)


async def commit(
    connection: Any,
    writes: Sequence[Write],
    audit: Sequence[AuditRow],
    claims: Sequence[Claim],
    access: Access,
    terms: Terms = NOTHING,
) -> None:
    """Write all or nothing; `VersionConflict` when a version or a claim is no longer the one that was seen."""
    statements = _statements(writes)
    try:
        if len(statements) == 1 and not claims and not terms and _fails_whole(statements[0]) and not _special(writes):
            await grants.check_references(connection, writes, access)
            await _run(connection, statements[0], audit)
            return
        async with connection.transaction():
            await write_inside(connection, writes, audit, claims, access, terms)
    except _CONFLICTS as error:
        raise VersionConflict from error


async def write_inside(
    connection: Any,
    writes: Sequence[Write],
    audit: Sequence[AuditRow],
    claims: Sequence[Claim],
    access: Access,
    terms: Terms = NOTHING,
) -> None:
    """The same inside a transaction that the caller holds open."""
    try:
        await grants.check_references(connection, writes, access)
        await _claim(connection, [*claims, *(Claim(f"{w.type}/{w.id}", 0) for w in writes if _chosen(w))])
        await _agree(connection, terms, writes, access)
        await _move_away(connection, [w for w in writes if w.moved_from is not None])
        for statement in _statements(writes):
            await _run(connection, statement, ())
        await grants.write_access(connection, writes, access)
        await _set_timers(connection, terms)
        if audit:
            await connection.execute(AUDIT_INSERT.format(rows="$1"), encode_audit(audit))
    except _CONFLICTS as error:
        raise VersionConflict from error


async def _agree(connection: Any, terms: Terms, writes: Sequence[Write], access: Access) -> None:
    """Places, then rows: every commit locks in this order."""
    if terms.frees:
        await holds.free(connection, terms.frees)
    if terms.takes and not await holds.take(connection, terms.takes, access.at):
        raise VersionConflict
    if terms.rests_on and not await rests.hold_still(connection, terms.rests_on, writes):
        raise VersionConflict


async def _set_timers(connection: Any, terms: Terms) -> None:
    """After the rows: who changes a resource and who does the act of its timer lock the resource first."""
    if terms.fired is not None and not await timers.use(connection, terms.fired):
        raise VersionConflict
    if terms.timers:
        await timers.replace(connection, terms.timers)


def encode_audit(rows: Sequence[AuditRow]) -> str:
    """PostgreSQL has no U+0000, and one request's must not undo the rows of all others that are written with it."""
    return msgspec.json.encode(rows).decode().replace(r"\u0000", r"\ufffd")


def _fails_whole(statement: tuple[str, bool, list[Write]]) -> bool:
    """An insert ends in an error. A replacement passes over the rows that are at another version: of several it would leave a part."""
    _, insert, rows = statement
    return insert or len(rows) == 1


def _special(writes: Sequence[Write]) -> bool:
    return grants.is_needed(writes) or any(w.moved_from is not None or _chosen(w) for w in writes)


def _chosen(write: Write) -> bool:
    """A first version under an id that a client chose, which another shard could have too."""
    return write.client_assigned and write.version == 1


def _is_insert(write: Write) -> bool:
    return write.version == 1 or write.moved_from is not None


def _statements(writes: Sequence[Write]) -> list[tuple[str, bool, list[Write]]]:
    """Group by type and kind, in one global order, so that two commits lock shared rows in the same order."""
    ordered = sorted(writes, key=lambda w: (w.type, _is_insert(w), w.id))
    return [(t, insert, list(rows)) for (t, insert), rows in groupby(ordered, key=lambda w: (w.type, _is_insert(w)))]


async def _run(connection: Any, statement: tuple[str, bool, list[Write]], audit: Sequence[AuditRow]) -> None:
    resource_type, insert, rows = statement
    sql = insert_sql(resource_type) if insert else replace_sql(resource_type)
    written = await connection.fetchval(sql, *_arguments(resource_type, rows), encode_audit(audit))
    if written != len(rows):
        raise VersionConflict


async def _claim(connection: Any, claims: Sequence[Claim]) -> None:
    """Take the next turn of each key, in one global order; another commit that took it meanwhile is waited for and wins."""
    if not claims:
        return
    ordered = sorted(claims, key=lambda claim: claim.key)
    keys = [claim.key for claim in ordered]
    taken = await connection.execute(CLAIM, keys, [shard_of(k) for k in keys], [c.seen + 1 for c in ordered])
    if taken != f"INSERT 0 {len(keys)}":
        raise VersionConflict


async def _move_away(connection: Any, writes: Sequence[Write]) -> None:
    """A resource whose patient changed lies on another shard from now on: its row leaves, `insert` brings it again."""
    for w in writes:
        table = f'"{w.type.lower()}"'
        seen = (w.id, w.moved_from, w.version - 1)
        await connection.execute(_KEEP_MOVED.format(table=table), *seen, w.type, w.updated)
        if await connection.execute(_MOVED.format(table=table), *seen) != "DELETE 1":
            raise VersionConflict


# ---- the two statements of a type -----------------------------------------------------------------------------------------


@cache
def _columns(resource_type: str) -> tuple[tuple[str, str, str], ...]:
    """(column, type in the table, type on the wire): arrays of arrays do not exist in SQL, so they travel as text."""
    dates = date_parameters(resource_type)
    return (
        ("id", "text", "text"),
        ("shard", "bigint", "bigint"),
        ("version", "bigint", "bigint"),
        ("updated", "timestamptz", "timestamptz"),
        ("method", "text", "text"),
        ("deleted", "boolean", "boolean"),
        ("body", "text", "text"),
        ("patient", "text", "text"),
        ("author", "text", "text"),
        ("patients", "text[]", "text"),
        ("labels", "text[]", "text"),
        ("tokens", "text[]", "text"),
        ("strings", "text[]", "text"),
        ("words", "text[]", "text"),
        ("quantities", "jsonb", "text"),
        ("composites", "jsonb", "text"),
        ("contained", "jsonb", "text"),
        *((f"{d.column}_{end}", "timestamptz", "timestamptz") for d in dates for end in ("lo", "hi")),
        *((f"{d.column}_each", "tstzrange[]", "text") for d in dates if d.repeats),
    )


def _rows_sql(resource_type: str) -> str:
    columns = _columns(resource_type)
    arrays = ", ".join(f"${n}::{wire}[]" for n, (_, _, wire) in enumerate(columns, 1))
    names = ", ".join(f'"{name}"' for name, _, _ in columns)
    values = ", ".join(f'"{name}"' if kind == wire else f'"{name}"::{kind}' for name, kind, wire in columns)
    return f"r ({names}) AS MATERIALIZED (SELECT {values} FROM unnest({arrays}) AS u ({names}))"


def _tail_sql(resource_type: str) -> str:
    audit = f"${len(_columns(resource_type)) + 1}"
    return f"""log AS (INSERT INTO fhir.change (shard, type, id, version, at, method, patient, author, patients, labels)
    SELECT shard, '{resource_type}', id, version, updated, method, patient, author, patients, labels FROM done),
  seen AS ({AUDIT_INSERT.format(rows=audit)} WHERE (SELECT count(*) FROM done) = (SELECT count(*) FROM r))
SELECT count(*) FROM done"""


_WRITTEN: Final = ("shard", "id", "version", "updated", "method", "patient", "author", "patients", "labels")


@cache
def insert_sql(resource_type: str) -> str:
    names = ", ".join(f'"{name}"' for name, _, _ in _columns(resource_type))
    return f"""WITH {_rows_sql(resource_type)},
  done AS (INSERT INTO fhir."{resource_type.lower()}" ({names}) SELECT {names} FROM r RETURNING {", ".join(_WRITTEN)}),
  {_tail_sql(resource_type)}"""


@cache
def replace_sql(resource_type: str) -> str:
    """Move the version that was seen into history and put the new one in its place.

    Of two concurrent replacements the later waits for the row, finds another version and writes nothing; its history row, taken from its
    older snapshot, meets the one that is there already and undoes the statement.
    """
    table = f'fhir."{resource_type.lower()}"'
    assigned = ", ".join(f'"{name}" = r."{name}"' for name, _, _ in _columns(resource_type)[2:])
    seen = "t.id = r.id AND t.shard = r.shard AND t.version = r.version - 1"
    return f"""WITH {_rows_sql(resource_type)},
  kept AS (INSERT INTO fhir.history (type, id, version, shard, updated, method, body, patient, author, patients, labels, replaced)
    SELECT '{resource_type}', t.id, t.version, t.shard, t.updated, t.method, t.body, t.patient, t.author, t.patients, t.labels, r.updated FROM {table} t JOIN r ON {seen}),
  done AS (UPDATE {table} t SET {assigned} FROM r WHERE {seen} RETURNING {", ".join(f"t.{name}" for name in _WRITTEN)}),
  {_tail_sql(resource_type)}"""


def _arguments(resource_type: str, rows: Sequence[Write]) -> list[list[Any]]:
    """One array per column of `_columns`, in its order."""
    indexes = [w.index for w in rows]
    dates = date_parameters(resource_type)
    found = [[i.dates.get(d.code) if i else None for i in indexes] for d in dates]
    return [
        [w.id for w in rows],
        [w.shard for w in rows],
        [w.version for w in rows],
        [w.updated for w in rows],
        [w.method for w in rows],
        [w.body is None for w in rows],
        [w.body for w in rows],
        [w.patient for w in rows],
        [w.author for w in rows],
        [array_literal([*w.patients]) if w.patients is not None else None for w in rows],
        [array_literal([*w.labels]) if w.labels is not None else None for w in rows],
        [array_literal(i.tokens) if i else "{}" for i in indexes],
        [array_literal(i.strings) if i else "{}" for i in indexes],
        [array_literal(i.words) if i else "{}" for i in indexes],
        [quantities_literal(i.quantities) if i else None for i in indexes],
        [composites_literal(i.composites) if i else None for i in indexes],
        [contained_literal(i.contained) if i else None for i in indexes],
        *([getattr(f, end) if f else None for f in per_row] for per_row in found for end in ("lo", "hi")),
        *(
            [ranges_literal(f.each) if f and f.each else None for f in per_row]
            for d, per_row in zip(dates, found, strict=True)
            if d.repeats
        ),
    ]
