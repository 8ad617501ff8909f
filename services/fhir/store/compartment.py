"""A patient's resources of every type in one statement, page by page: http://hl7.org/fhir/R4/patient-operation-everything.html

The order is by type, then by id: both never change, so a page is complete whatever is written meanwhile.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.compartment import patient_keys
from services.fhir.search.index import date_parameters
from services.fhir.store.query import RETURNED, Sql
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.tables import timeline_column

# Their only dates are of birth, which is no date of care.
_PERSONS: Final = frozenset({"Patient", "Person", "RelatedPerson"})


class CompartmentQuery(msgspec.Struct, frozen=True):
    """`types` in the order of the answer; `after` continues behind (place of the type in it, id)."""

    patient: str
    types: tuple[str, ...]
    count: int
    since: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[int, str] | None = None


async def compartment(connection: Any, query: CompartmentQuery) -> list[tuple[int, Stored]]:
    """At most `count + 1` resources with the place of their type, so that the caller sees whether more follow."""
    sql = Sql()
    limit = sql.bind(query.count + 1, "bigint")
    first = query.after[0] if query.after else 0
    branches = [_branch(query, place, limit, sql) for place in range(first, len(query.types))]
    if not branches:
        return []
    text = f"SELECT * FROM ({' UNION ALL '.join(branches)}) e ORDER BY place, id LIMIT {limit}"
    records = await connection.fetch(text, *sql.values)
    return [(r["place"], from_record(r, query.types[r["place"]])) for r in records]


async def patients_after(connection: Any, after: str, count: int) -> list[str]:
    sql = "SELECT id FROM fhir.patient WHERE NOT deleted AND id > $1 ORDER BY id LIMIT $2"
    return [record["id"] for record in await connection.fetch(sql, after, count)]


def _branch(query: CompartmentQuery, place: int, limit: str, sql: Sql) -> str:
    resource_type = query.types[place]
    keys = sql.bind(patient_keys(resource_type, (query.patient,)), "text[]")
    bound = f"t.tokens && {keys}"
    if resource_type == "Patient":
        bound = f"(t.id = {sql.bind(query.patient, 'text')} OR {bound})"
    where = ["NOT t.deleted", bound, *_in_time(query, resource_type, sql)]
    if query.after and query.after[0] == place:
        where.append(f"t.id > {sql.bind(query.after[1], 'text')}")
    return f"""(SELECT {place} AS place, {RETURNED} FROM fhir."{resource_type.lower()}" t
    WHERE {" AND ".join(where)} ORDER BY t.id LIMIT {limit})"""


def _in_time(query: CompartmentQuery, resource_type: str, sql: Sql) -> list[str]:
    """`start` and `end` are about dates of care; what has none is always part of the picture."""
    where = []
    if query.since is not None:
        where.append(f"t.updated >= {sql.bind(query.since, 'timestamptz')}")
    if resource_type not in _PERSONS and date_parameters(resource_type):
        column = timeline_column(resource_type)
        if query.start is not None:
            where.append(f'(t."{column}_hi" > {sql.bind(query.start, "timestamptz")} OR t."{column}_lo" IS NULL)')
        if query.end is not None:
            where.append(f'(t."{column}_lo" < {sql.bind(query.end, "timestamptz")} OR t."{column}_lo" IS NULL)')
    return where
