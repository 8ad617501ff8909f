"""A patient's resources of every type in one statement, page by page: http://hl7.org/fhir/R4/patient-operation-everything.html

The order is by type, then by id: both never change, so a page is complete whatever is written meanwhile.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.compartment import patient_keys, patient_types
from services.fhir.scopes import READ, SEARCH
from services.fhir.search.index import date_parameters
from services.fhir.search.keys import text_key
from services.fhir.store.access import live
from services.fhir.store.query import RETURNED, Rows, Sql
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.tables import timeline_column

# Their only dates are of birth, which is no date of care.
_PERSONS: Final = frozenset({"Patient", "Person", "RelatedPerson"})


class CompartmentQuery(msgspec.Struct, frozen=True):
    """`types` in the order of the answer; `after` continues behind (place of the type in it, id). `patients` None is any patient."""

    patients: tuple[str, ...] | None
    types: tuple[str, ...]
    count: int
    since: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[int, str] | None = None


async def compartment(connection: Any, query: CompartmentQuery, access: Access) -> list[tuple[int, Stored]]:
    """At most `count + 1` resources with the place of their type, so that the caller sees whether more follow."""
    places = range(query.after[0] if query.after else 0, len(query.types))
    if query.patients is not None:
        return await _fetch(connection, query, places, query.count + 1, access)
    found: list[
        tuple[int, Stored]
    ] = []  # a type after the other: the first may fill the page, and none is looked at twice
    for place in places:
        if len(found) <= query.count:
            found += await _fetch(connection, query, [place], query.count + 1 - len(found), access)
    return found


def names_a_patient(resource_type: str, sql: Sql) -> str:
    """The condition that a row `t` tells of any patient."""
    if resource_type == "Patient":
        return "true"
    starts = sql.bind([text_key(code, "Patient/") for code in patient_types()[resource_type]], "text[]")
    named = f"EXISTS (SELECT FROM unnest(t.tokens) k, unnest({starts}) s WHERE starts_with(k, s))"
    return f"(t.patient IS NOT NULL OR {named})"


async def _fetch(
    connection: Any, query: CompartmentQuery, places: Iterable[int], limit: int, access: Access
) -> list[tuple[int, Stored]]:
    sql = Sql(access, READ + SEARCH)
    most = sql.bind(limit, "bigint")
    branches = [_branch(query, place, most, sql) for place in places]
    if not branches:
        return []
    text = f"SELECT * FROM ({' UNION ALL '.join(branches)}) e ORDER BY place, id LIMIT {most}"
    records = await connection.fetch(text, *sql.values)
    return [(r["place"], from_record(r, query.types[r["place"]])) for r in records]


def _branch(query: CompartmentQuery, place: int, limit: str, sql: Sql) -> str:
    resource_type = query.types[place]
    where = [
        live(Rows("t", resource_type), sql),
        _about(query.patients, resource_type, sql),
        *_in_time(query, resource_type, sql),
    ]
    if query.after and query.after[0] == place:
        where.append(f"t.id > {sql.bind(query.after[1], 'text')}")
    return f"""(SELECT {place} AS place, {RETURNED} FROM fhir."{resource_type.lower()}" t
    WHERE {" AND ".join(where)} ORDER BY t.id LIMIT {limit})"""


def _about(patients: tuple[str, ...] | None, resource_type: str, sql: Sql) -> str:
    if patients is None:
        return names_a_patient(resource_type, sql)
    named = f"t.tokens && {sql.bind(patient_keys(resource_type, patients), 'text[]')}"
    return f"(t.id = ANY({sql.bind([*patients], 'text[]')}) OR {named})" if resource_type == "Patient" else named


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
