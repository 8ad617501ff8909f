"""The statements by which versions enter their tables: `insert` what was not there, `replace` the version that was seen, `several` of both (docs/adr/0002).

Rows travel as arrays, so many cost one round trip. Measured (PostgreSQL 18, two cores, eight connections, client beside it): 3.6 k creates/s
as arrays, 3.6-4.0 k/s with scalar parameters, which is not worth a second path.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from services.fhir.search.index import date_parameters
from services.fhir.store.literals import (
    array_literal,
    composites_literal,
    contained_literal,
    quantities_literal,
    ranges_literal,
)
from services.fhir.store.rows import AuditRow, Write

_AUDIT: Final = ", ".join(f'"{name}"' for name in AuditRow.__struct_fields__)
AUDIT_INSERT: Final = (
    f"INSERT INTO fhir.audit ({_AUDIT}) SELECT {_AUDIT} FROM json_populate_recordset(NULL::fhir.audit, {{rows}}::json)"
)
Kind = tuple[str, bool]
"""A type of resource, and whether the versions are inserted."""

_WRITTEN: Final = ("shard", "id", "version", "updated", "method", "patient", "author", "patients", "labels")


class Part(msgspec.Struct, frozen=True):
    """What one more statement part adds: further CTEs that come first, and what the rows wait for."""

    before: tuple[str, ...] = ()
    only_if: str = "true"
    after: tuple[str, ...] = ()


NOTHING_MORE: Final = Part()


def encode_audit(rows: Sequence[AuditRow]) -> str:
    """PostgreSQL has no U+0000, and one request's must not undo the rows of all others that are written with it."""
    return msgspec.json.encode(rows).decode().replace(r"\u0000", r"\ufffd")


def is_insert(write: Write) -> bool:
    return write.version == 1 or write.moved_from is not None


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


def _rows_sql(resource_type: str, n: int = 0, first: int = 1) -> str:
    """The rows of group `n`, whose parameters begin with the number `first`."""
    columns = _columns(resource_type)
    arrays = ", ".join(f"${number}::{wire}[]" for number, (_, _, wire) in enumerate(columns, first))
    names = ", ".join(f'"{name}"' for name, _, _ in columns)
    values = ", ".join(f'"{name}"' if kind == wire else f'"{name}"::{kind}' for name, kind, wire in columns)
    return f"r{n} ({names}) AS MATERIALIZED (SELECT {values} FROM unnest({arrays}) AS u ({names}))"


def _inserted(resource_type: str, only_if: str, n: int = 0) -> str:
    names = ", ".join(f'"{name}"' for name, _, _ in _columns(resource_type))
    returned = ", ".join(_WRITTEN)
    return f"""done{n} AS (INSERT INTO fhir."{resource_type.lower()}" ({names}) SELECT {names} FROM r{n} WHERE {only_if} RETURNING {returned})"""


def _replaced(resource_type: str, only_if: str, n: int = 0) -> str:
    """Move the version that was seen into history and put the new one in its place.

    Of two concurrent replacements the later waits for the row, finds another version and writes nothing; its history row, taken from its
    older snapshot, meets the one that is there already and undoes the statement.
    """
    table = f'fhir."{resource_type.lower()}"'
    assigned = ", ".join(f'"{name}" = r."{name}"' for name, _, _ in _columns(resource_type)[2:])
    seen = f"t.id = r.id AND t.shard = r.shard AND t.version = r.version - 1 AND {only_if}"
    returned = ", ".join(f"t.{name}" for name in _WRITTEN)
    return f"""kept{n} AS (INSERT INTO fhir.history (type, id, version, shard, updated, method, body, patient, author, patients, labels, replaced)
    SELECT '{resource_type}', t.id, t.version, t.shard, t.updated, t.method, t.body, t.patient, t.author, t.patients, t.labels, r.updated FROM {table} t JOIN r{n} r ON {seen}),
  done{n} AS (UPDATE {table} t SET {assigned} FROM r{n} r WHERE {seen} RETURNING {returned})"""


def _logged(resource_type: str, n: int = 0) -> str:
    return f"""log{n} AS (INSERT INTO fhir.change (shard, type, id, version, at, method, patient, author, patients, labels)
    SELECT shard, '{resource_type}', id, version, updated, method, patient, author, patients, labels FROM done{n})"""


def _all_done(n: int = 0) -> str:
    return f"(SELECT count(*) FROM done{n}) = (SELECT count(*) FROM r{n})"


def _statement(resource_type: str, more: Part, entered: str, remembered: str) -> str:
    audit = AUDIT_INSERT.format(rows=f"${len(_columns(resource_type)) + 1}")
    parts = (
        _rows_sql(resource_type),
        *more.before,
        entered,
        _logged(resource_type),
        f"seen AS ({audit} {remembered})",
        *more.after,
    )
    return f"WITH {_joined(parts)}\nSELECT coalesce(array_agg(id), '{{}}') FROM done0"


def _joined(parts: Iterable[str]) -> str:
    return ",\n  ".join(parts)


@cache
def insert_sql(resource_type: str, more: Part = NOTHING_MORE) -> str:
    return _statement(resource_type, more, _inserted(resource_type, more.only_if), f"WHERE {_all_done()}")


@cache
def replace_sql(resource_type: str, more: Part = NOTHING_MORE, *, by_row: bool = False) -> str:
    """The audit rows of all versions or none, or `by_row` of each that was written."""
    each = "a WHERE EXISTS (SELECT FROM done0 WHERE done0.id = a.id AND done0.version = a.version)"
    return _statement(
        resource_type, more, _replaced(resource_type, more.only_if), each if by_row else f"WHERE {_all_done()}"
    )


@cache
def several_sql(kinds: tuple[Kind, ...]) -> str:
    """Groups of versions in one statement, each when the one before it is there, so that two commits lock rows in the same order.

    Gives one row: of each group the ids that were written, as the columns `w0`, `w1`; to be read FROM.
    """
    parts: list[str] = []
    first, only_if = 1, "true"
    for n, (resource_type, inserts) in enumerate(kinds):
        parts.append(_rows_sql(resource_type, n, first))
        parts.append(_inserted(resource_type, only_if, n) if inserts else _replaced(resource_type, only_if, n))
        parts.append(_logged(resource_type, n))
        first, only_if = first + len(_columns(resource_type)), _all_done(n)
    parts.append(f"seen AS ({AUDIT_INSERT.format(rows=f'${first}')} WHERE {only_if})")
    written = ", ".join(f"(SELECT coalesce(array_agg(id), '{{}}') FROM done{n}) AS w{n}" for n in range(len(kinds)))
    return f"WITH {_joined(parts)}\nSELECT * FROM (SELECT {written}) w"


def arguments(resource_type: str, rows: Sequence[Write]) -> list[list[Any]]:
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
