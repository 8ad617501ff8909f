"""One statement that writes versions of one type with all that belongs to them: references looked at, a new patient's bases and identity.

What this refuses or leaves out is not told apart here: the transaction of store/write.py is, and says what was wrong (docs/adr/0023).
"""

from collections.abc import Sequence
from typing import Any

from services.fhir.access.access import Access
from services.fhir.store.access import may_refer
from services.fhir.store.grant_rows import KINDS, Row, columns_of, opens_itself, rows_of_new
from services.fhir.store.grant_rows import insert_sql as grants_insert
from services.fhir.store.rows import AuditRow, Write
from services.fhir.store.shards import shard_of
from services.fhir.store.statement import Sql
from services.fhir.store.versions import Part, arguments, encode_audit, insert_sql, is_insert, replace_sql


def is_plain(write: Write) -> bool:
    """Does one statement say all that this version brings?"""
    return (
        write.moved_from is None
        and not write.by_platform
        and not (write.client_assigned and write.version == 1)
        and not write.is_wider
        and write.subscriber is None
        and (write.opens is None or opens_itself(write))
        and (write.identities is None or write.version == 1)
    )


def brings_more(write: Write) -> bool:
    """Can it be refused for another reason than its version?"""
    return bool(write.refers or write.opens or write.identities)


async def write_at_once(
    connection: Any, writes: Sequence[Write], audit: Sequence[AuditRow], access: Access, *, by_row: bool = False
) -> set[str]:
    """The ids of what was written: plain writes of one type, all of them inserts or none. Of inserts all are written or none.

    Replacements `by_row` are written as far as they are the next version, each with the one audit row that names it.
    """
    resource_type = writes[0].type
    sql = Sql(access)
    sql.values += [*arguments(resource_type, writes), encode_audit(audit)]
    more = _more(writes, sql)
    inserts = is_insert(writes[0])
    text = insert_sql(resource_type, more) if inserts else replace_sql(resource_type, more, by_row=by_row)
    return set(await connection.fetchval(text, *sql.values))


def _more(writes: Sequence[Write], sql: Sql) -> Part:
    asked = _asked(writes)
    before: tuple[str, ...] = ()
    only_if = "true"
    if asked and not sql.access.is_system:
        before, only_if = (_unknown(asked, sql),), "NOT EXISTS (SELECT FROM unknown)"
    after = []
    if identities := _identities(writes):
        after.append(_held(identities, only_if, sql))
    if bases := [row for write in writes for row in rows_of_new(write, sql.access)]:
        after.append(f"opened AS ({grants_insert(_bound(bases, KINDS, sql), only_if)})")
    return Part(before, only_if, tuple(after))


def _asked(writes: Sequence[Write]) -> list[str]:
    made = {w.id for w in writes if w.type == "Patient"}
    return sorted({patient for w in writes for _, patient in w.refers} - made)


def _unknown(patients: list[str], sql: Sql) -> str:
    """The patients that are out of reach: one is enough that nothing is written."""
    ids, shards = sql.bind(patients, "text[]"), sql.bind([shard_of(p) for p in patients], "bigint[]")
    known = may_refer("p.id", "p.shard", sql)
    return f"unknown AS MATERIALIZED (SELECT p.id FROM unnest({ids}, {shards}) AS p (id, shard) WHERE NOT {known})"


def _identities(writes: Sequence[Write]) -> list[Row]:
    """In one global order; whoever has one of them already undoes the statement."""
    return sorted((key, shard_of(key), w.id) for w in writes for key in w.identities or ())


def _held(rows: list[Row], only_if: str, sql: Sql) -> str:
    arrays = ", ".join(_bound(rows, ("text[]", "bigint[]", "text[]"), sql))
    return f"held AS (INSERT INTO fhir.identity (key, shard, patient) SELECT * FROM unnest({arrays}) WHERE {only_if})"


def _bound(rows: Sequence[Row], kinds: Sequence[str], sql: Sql) -> list[str]:
    return [sql.bind(column, kind) for column, kind in zip(columns_of(rows), kinds, strict=True)]
