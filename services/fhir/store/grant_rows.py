"""Bases as rows of `access_grant`: many at once, as arrays (docs/adr/0020)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.access.grants import Moment, Opening, settled
from services.fhir.store.literals import array_literal
from services.fhir.store.rows import Write
from services.fhir.store.shards import shard_of

FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
# (column, its type on the wire, its type in the table): arrays of arrays do not exist in SQL, so they travel as text
_COLUMNS: Final = (
    ("patient", "text", "text"),
    ("organization", "text", "text"),
    ("basis", "text", "text"),
    ("source", "text", "text"),
    ("shard", "bigint", "bigint"),
    ("begins", "timestamptz", "timestamptz"),
    ("ends", "timestamptz", "timestamptz"),
    ("types", "text", "text[]"),
    ("purposes", "text", "text[]"),
    ("resources", "text", "text[]"),
    ("may_write", "boolean", "boolean"),
    ("founds", "boolean", "boolean"),
    ("overrides", "boolean", "boolean"),
)
GRANT: Final = ", ".join(name for name, _, _ in _COLUMNS)
NO_GRANT: Final = ", ".join(f"NULL::{kind} AS {name}" for name, _, kind in _COLUMNS[1:])
"""What stands in all columns but the patient's, where a row tells something else."""
KINDS: Final = tuple(f"{wire}[]" for _, wire, _ in _COLUMNS)
_VALUES: Final = ", ".join(f"{name}::{kind}" for name, _, kind in _COLUMNS)

Row = tuple[Any, ...]


def insert_sql(arrays: Iterable[str], only_if: str = "true") -> str:
    """`arrays` are one per column, in the order of `KINDS`."""
    return (
        f"INSERT INTO fhir.access_grant ({GRANT}) SELECT {_VALUES} FROM unnest({', '.join(arrays)}) AS u ({GRANT}) "
        f"WHERE {only_if} ON CONFLICT ON CONSTRAINT access_grant_pkey DO NOTHING"
    )


_KEY: Final = ("patient", "organization", "basis", "source", "shard")
_SET: Final = ", ".join(f"{name} = excluded.{name}" for name, _, _ in _COLUMNS if name not in _KEY)
_GIVEN: Final = ", ".join(f"${n}::{kind}" for n, kind in enumerate(KINDS, 1))
_TAKEN: Final = ", ".join(f"${n}::{kind}" for n, kind in enumerate(KINDS[: len(_KEY)], len(KINDS) + 1))
# A row is either taken back or written: one statement must not do both.
_CHANGE: Final = f"""WITH gone AS (DELETE FROM fhir.access_grant WHERE ({", ".join(_KEY)}) IN (SELECT * FROM unnest({_TAKEN})))
INSERT INTO fhir.access_grant ({GRANT}) SELECT {_VALUES} FROM unnest({_GIVEN}) AS u ({GRANT})
ON CONFLICT ON CONSTRAINT access_grant_pkey DO UPDATE SET {_SET}"""


def rows_of(openings: Iterable[Opening], source: str) -> list[Row]:
    return [
        (
            o.patient, o.organization, o.basis, source, shard_of(o.patient), o.begins, o.ends or FOREVER,
            _list(o.types), _list(o.purposes), _list(o.resources), o.may_write, o.founds, o.overrides,
        )
        for o in openings
    ]  # fmt: skip


async def change(connection: Any, before: Iterable[Row], after: Iterable[Row]) -> None:
    """Make of the grants that were there those that count now: what stays as it is, is not touched."""
    was, now = ({row[: len(_KEY)]: row for row in reversed([*rows])} for rows in (before, after))
    gone = [key for key in was if key not in now]
    given = [row for key, row in now.items() if was.get(key) != row]
    if gone or given:
        await connection.execute(_CHANGE, *_columns_of(given, len(KINDS)), *_columns_of(gone, len(_KEY)))


def opens_itself(write: Write) -> bool:
    """A new patient, whose only bases are those of who registers it: nothing was granted before, and nobody else is asked."""
    return (
        write.type == "Patient"
        and write.version == 1
        and write.opens is not None
        and not (write.opens.denials or write.opens.supervisions)
        and all(o.patient == write.id for o in write.opens.openings)
    )


def rows_of_new(write: Write, access: Access) -> list[Row]:
    """Of a write that `opens_itself`."""
    if write.opens is None:
        return []
    moment = moment_of(write, access)
    return rows_of(
        settled(write.opens.openings, (), is_founder=lambda _: True, moment=moment), f"{write.type}/{write.id}"
    )


def moment_of(write: Write, access: Access) -> Moment:
    """When and by whom; how long a basis outlives its end was decided when it was prepared."""
    return Moment(write.updated, access.organization, write.id, msgspec.UNSET)  # type: ignore[arg-type]


def columns_of(rows: Sequence[Row]) -> list[list[Any]]:
    return [[*column] for column in zip(*rows, strict=True)]


def _columns_of(rows: Sequence[Row], number: int) -> list[list[Any]]:
    return columns_of(rows) or [[]] * number


def _list(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else array_literal(values)
