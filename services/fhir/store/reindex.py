"""The queue of what is to be indexed anew: one row for each parameter and type (docs/adr/0022).

A step locks its row, indexes a batch of resources and moves on, all in one transaction: a process that is killed in the middle has done
nothing, and any other goes on from there.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import jiter
import msgspec

from services.fhir.search.row import IndexRow
from services.fhir.store.literals import (
    array_literal,
    composites_literal,
    contained_literal,
    quantities_literal,
)
from services.fhir.store.shards import shard_of
from services.fhir.store.vault import Vault

BATCH: Final = 200

Json = dict[str, Any]
Index = Callable[[Json], IndexRow]

_COLUMNS: Final = ("tokens", "strings", "words", "quantities", "composites", "contained")
_ARRAYS: Final = ("tokens", "strings", "words")


class Progress(msgspec.Struct, frozen=True):
    """How far one type is: `total` is None until it has begun."""

    parameter: str
    type: str
    version: int
    state: str  # waiting, running, done
    done: int
    total: int | None


async def marker(connection: Any) -> str:
    """A text that changes when a parameter or the state of its index does."""
    return str(
        await connection.fetchval(
            """SELECT concat_ws(' ', (SELECT concat(count(*), max(updated)) FROM fhir.searchparameter),
            (SELECT concat(count(*), ' ', count(*) FILTER (WHERE state = 'done'), max(created)) FROM fhir.reindex))"""
        )
    )


async def definitions(connection: Any) -> list[tuple[str, int, Json]]:
    """Id, version and resource of every SearchParameter that is there."""
    sql = "SELECT id, version, body FROM fhir.searchparameter WHERE NOT deleted ORDER BY id"
    return [(r["id"], r["version"], parsed(r["body"])) for r in await connection.fetch(sql)]


def parsed(body: str) -> Json:
    resource: Json = jiter.from_json(body.encode(), float_mode="decimal")
    return resource


async def plan(connection: Any, wanted: Iterable[tuple[str, int, str]]) -> None:
    """Id, version and type of what is to be indexed; what is there in this version stays as far as it is."""
    rows = [*wanted]
    parameters, versions, types = [p for p, _, _ in rows], [v for _, v, _ in rows], [t for _, _, t in rows]
    async with connection.transaction():
        await connection.execute(
            """DELETE FROM fhir.reindex WHERE (parameter, type) NOT IN (SELECT * FROM unnest($1::text[], $2::text[]))""",
            parameters,
            types,
        )
        await connection.execute(
            """INSERT INTO fhir.reindex AS r (parameter, type, shard, version, state, after, done, created)
            SELECT p, t, s, v, 'waiting', '', 0, now() FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) u (p, t, s, v)
            ON CONFLICT (parameter, type, shard) DO UPDATE SET version = excluded.version, state = 'waiting', after = '', done = 0,
            total = NULL, created = now() WHERE r.version <> excluded.version""",
            parameters,
            types,
            [shard_of(p) for p in parameters],
            versions,
        )


async def progress(connection: Any, parameter: str | None = None) -> list[Progress]:
    sql = """SELECT parameter, type, version, state, done, total FROM fhir.reindex WHERE $1::text IS NULL OR parameter = $1
    ORDER BY parameter, type"""
    return [Progress(**dict(r)) for r in await connection.fetch(sql, parameter)]


async def step(
    connection: Any,
    index_of: Mapping[str, Index],
    known: Mapping[str, int],
    settle: timedelta,
    vault: Vault | None,
) -> bool:
    """Index one batch of one of the types; whether there was one. `known` are the versions that this process indexes by."""
    async with connection.transaction():
        row = await connection.fetchrow(
            """SELECT parameter, type, shard, after, total FROM fhir.reindex
            WHERE state <> 'done' AND created <= now() - $1::interval AND (parameter, version) IN
              (SELECT * FROM unnest($2::text[], $3::bigint[])) AND type = ANY($4::text[])
            ORDER BY created, parameter, type LIMIT 1 FOR UPDATE SKIP LOCKED""",
            settle,
            [*known],
            [*known.values()],
            [*index_of],
        )
        if row is None:
            return False
        count, last = await _batch(connection, row["type"], row["after"], index_of[row["type"]], vault)
        total = row["total"]
        if total is None:
            total = await connection.fetchval(f'SELECT count(*) FROM fhir."{row["type"].lower()}" WHERE NOT deleted')
        await connection.execute(
            """UPDATE fhir.reindex SET after = $4, done = done + $5, total = $6, state = $7
            WHERE parameter = $1 AND type = $2 AND shard = $3""",
            row["parameter"],
            row["type"],
            row["shard"],
            last or row["after"],
            count,
            total,
            "done" if count < BATCH else "running",
        )
        return True


async def _batch(connection: Any, resource_type: str, after: str, index: Index, vault: Vault | None) -> tuple[int, str]:
    """Rows are locked in the order in which commits lock them, so neither waits for the other in a circle."""
    name = f'fhir."{resource_type.lower()}"'
    found = await connection.fetch(
        f"SELECT id, shard, version, body FROM {name} WHERE NOT deleted AND id > $1 ORDER BY id LIMIT {BATCH} FOR UPDATE",
        after,
    )
    if not found:
        return 0, ""
    rows = [_indexed(r["body"], f"{resource_type}/{r['id']}", index, vault) for r in found]
    assigned = ", ".join(f"{c} = r.{c}::{'text[]' if c in _ARRAYS else 'jsonb'}" for c in _COLUMNS)
    arrays = ", ".join(f"${n}::text[]" for n in range(3, 3 + len(_COLUMNS)))
    await connection.execute(
        f"""UPDATE {name} t SET {assigned} FROM unnest($1::text[], $2::bigint[], {arrays}) r (id, shard, {", ".join(_COLUMNS)})
        WHERE t.id = r.id AND t.shard = r.shard""",
        [r["id"] for r in found],
        [r["shard"] for r in found],
        *([_literals(row)[n] for row in rows] for n in range(len(_COLUMNS))),
    )
    return len(found), str(found[-1]["id"])


def _indexed(body: str, bound_to: str, index: Index, vault: Vault | None) -> IndexRow:
    """As a write would: what names a person is found by its keyed hash only (docs/adr/0021)."""
    if vault is None:
        return index(parsed(body))
    plain = vault.opened_text(body, bound_to)
    row, values = index(parsed(plain)), vault.values(plain)
    return vault.blinded_row(row, values) if values else row


def _literals(row: IndexRow) -> tuple[str | None, ...]:
    return (
        array_literal(row.tokens),
        array_literal(row.strings),
        array_literal(row.words),
        quantities_literal(row.quantities),
        composites_literal(row.composites),
        contained_literal(row.contained),
    )
