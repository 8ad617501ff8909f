"""Rows that a decision rests on are locked and compared in its commit, with those that it replaces, in one global order (docs/adr/0025).

They are all locked by one statement before the first is written, so that of two decisions that rest on what the other one writes
one waits for the other, and neither for ever.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from services.fhir.store.rows import Write
from services.fhir.store.statement import table
from services.fhir.store.terms import Rest


async def hold_still(connection: Any, rests_on: Sequence[Rest], writes: Sequence[Write]) -> bool:
    """Whether all of them are what they were, and will be until the end of the transaction."""
    replaced = [Rest(w.type, w.id, w.version - 1, _before(w)) for w in writes if w.version > 1]
    written = {(each.type, each.id) for each in replaced}
    rows = sorted({*replaced, *(each for each in rests_on if (each.type, each.id) not in written)}, key=_order)
    types = {each.type for each in replaced}
    values: list[Any] = []
    parts = [
        _part(resource_type, list(each), values, is_written=resource_type in types)
        for (resource_type, _), each in groupby(rows, key=lambda row: (row.type, row.shard))
    ]
    names = [f"l{n}" for n in range(len(parts))]
    locks = ", ".join(f"{name} AS MATERIALIZED ({part})" for name, part in zip(names, parts, strict=True))
    counted = " + ".join(f"(SELECT count(*) FROM {name})" for name in names)
    return bool(await connection.fetchval(f"WITH {locks} SELECT {counted}", *values) == len(rows))


def _before(write: Write) -> int:
    return write.shard if write.moved_from is None else write.moved_from


def _order(row: Rest) -> tuple[str, int, str]:
    return row.type, row.shard, row.id


def _part(resource_type: str, rows: Sequence[Rest], values: list[Any], *, is_written: bool) -> str:
    """Those of one shard: Citus locks rows of one shard in a statement."""
    values += [[row.id for row in rows], [row.version for row in rows], rows[0].shard]
    ids, versions, shard = (f"${len(values) - back}" for back in (2, 1, 0))
    lock = "FOR NO KEY UPDATE" if is_written else "FOR SHARE"
    return (
        f"SELECT t.id FROM {table(resource_type)} t WHERE t.shard = {shard}::bigint AND t.id = ANY({ids}::text[]) "
        f"AND (t.id, t.version) IN (SELECT * FROM unnest({ids}::text[], {versions}::bigint[])) ORDER BY t.id {lock}"
    )
