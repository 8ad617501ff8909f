"""From a plain search query to one SQL statement: http://hl7.org/fhir/R4/search.html

Every value is a parameter, so requests of the same shape share one prepared statement and its generic plan. A search bound to one patient
walks that patient's own index: there the token conditions are written `(…) IS TRUE`, a filter to the planner, because the GIN index,
which a generic plan would otherwise choose, was measured seven times slower (docs/adr/0004).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.scopes import SEARCH
from services.fhir.search.index import patient_parameters
from services.fhir.search.parameters import r4_parameters
from services.fhir.search.query import Condition, Match, ReferenceValue, SearchQuery
from services.fhir.store.access import live
from services.fhir.store.conditions import clause
from services.fhir.store.legs import legs_of, legs_statement
from services.fhir.store.paging import behind
from services.fhir.store.selectivity import finds_few
from services.fhir.store.shards import shard_of
from services.fhir.store.sorting import Order, orders_of
from services.fhir.store.statement import RETURNED, Rows, Sql, table

__all__ = [
    "RETURNED",
    "Rows",
    "Sql",
    "Statement",
    "capped_counts_statement",
    "count_statement",
    "first_pages_statement",
    "is_plain",
    "orders_for",
    "page_statement",
]

_T: Final = "t"
_INDEXED_KIND: Final = """(SELECT ARRAY(SELECT k FROM unnest(t.tokens) k
    WHERE starts_with(k, 'status=') OR starts_with(k, 'category=') OR starts_with(k, 'code=')) AS codes,
  CASE WHEN 'code:present' = ANY(t.tokens) THEN ARRAY(SELECT k FROM unnest(t.strings) k WHERE starts_with(k, 'code:text')) END AS texts) e"""
_WRITTEN_KIND: Final = """json_to_record(t.body::json) b (status text, category json, code json),
  LATERAL (SELECT ARRAY[b.status, b.category::text, b.code #>> '{coding,0,system}', b.code #>> '{coding,0,code}'] AS codes,
    CASE WHEN b.code #> '{coding,0,code}' IS NULL THEN ARRAY[b.code ->> 'text'] END AS texts) e"""


class Statement(msgspec.Struct, frozen=True):
    sql: str
    values: tuple[Any, ...]
    orders: tuple[Order, ...]
    shared: frozenset[int] = frozenset()


def page_statement(query: SearchQuery, after: Sequence[Any] | None, access: Access, *, with_tokens: bool) -> Statement:
    """One page and one row more; columns `k0…` are the sort keys of a row, from which the next page's link is made."""
    sql = Sql(access, SEARCH)
    if not is_plain(query):
        text, orders = legs_statement(query, after, sql, where, with_tokens=with_tokens)
        return Statement(text, tuple(sql.values), orders)
    conditions = where(query.type, query.conditions, Rows(_T, query.type), sql)
    orders = _orders(query)
    if after is not None:
        conditions.append(behind(orders, after, sql))
    keys = "".join(f", {o.expression} AS k{n}" for n, o in enumerate(orders))
    tokens = ", t.tokens" if with_tokens else ""
    order = ", ".join(o.clause for o in orders)
    limit = sql.bind(query.count + 1, "bigint")
    text = f"SELECT {RETURNED}{keys}{tokens} FROM {table(query.type)} t WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT {limit}"
    return Statement(text, tuple(sql.values), orders, sql.shared)


def first_pages_statement(queries: Sequence[SearchQuery], access: Access) -> Statement:
    """The first page of each plain search, all of them as one statement: `place` says of which search a row is, `nth` where in it."""
    sql = Sql(access, SEARCH)
    legs = (_first_page(n, query, sql) for n, query in enumerate(queries))
    text = f"SELECT * FROM ({' UNION ALL '.join(legs)}) p ORDER BY place, nth"
    return Statement(text, tuple(sql.values), ())


def _first_page(place: int, query: SearchQuery, sql: Sql) -> str:
    conditions = " AND ".join(where(query.type, query.conditions, Rows(_T, query.type), sql))
    order = ", ".join(o.clause for o in _orders(query))
    limit = sql.bind(query.count, "bigint")
    source = f"{table(query.type)} t"
    if query.newest_of_each:
        source += f" JOIN ({_newest(query.type, conditions, order)}) n ON n.id = t.id AND n.shard = t.shard"
        conditions = "true"
    return (
        f"(SELECT {place} AS place, row_number() OVER (ORDER BY {order}) AS nth, {RETURNED} FROM {source} "
        f"WHERE {conditions} ORDER BY {order} LIMIT {limit})"
    )


def _newest(resource_type: str, conditions: str, order: str) -> str:
    """Only keys are sorted, so that a patient's whole timeline fits in memory; a concept is known by its codings, else by its text.

    They are taken from what is indexed of the row where the type has such parameters: to parse each body took longer than all other searches of a
    summary together.
    """
    is_indexed = {"status", "code"} <= {each.code for each in r4_parameters(resource_type)}
    kind = _INDEXED_KIND if is_indexed else _WRITTEN_KIND
    return (
        f"SELECT DISTINCT ON (e.codes, e.texts) t.id, t.shard FROM {table(resource_type)} t, LATERAL {kind} "
        f"WHERE {conditions} ORDER BY e.codes, e.texts, {order}"
    )


def count_statement(query: SearchQuery, access: Access) -> Statement:
    sql = Sql(access, SEARCH)
    if is_plain(query):
        conditions = where(query.type, query.conditions, Rows(_T, query.type), sql)
        text = f"SELECT count(*) FROM {table(query.type)} t WHERE {' AND '.join(conditions)}"
    else:
        counts = (f"(SELECT count(*) FROM {leg.source(sql, where)})" for leg in legs_of(query))
        text = f"SELECT {' + '.join(counts)}"
    return Statement(text, tuple(sql.values), ())


def capped_counts_statement(queries: Sequence[SearchQuery], most: int, access: Access) -> Statement:
    """How much each of several plain searches finds, as one statement that counts no further than `most` and one."""
    sql = Sql(access, SEARCH)
    limit = sql.bind(most + 1, "bigint")
    legs = []
    for n, query in enumerate(queries):
        conditions = where(query.type, query.conditions, Rows(_T, query.type), sql)
        found = f"SELECT FROM {table(query.type)} t WHERE {' AND '.join(conditions)} LIMIT {limit}"
        legs.append(f"SELECT {n} AS place, count(*) AS number FROM ({found}) f")
    return Statement(f"{' UNION ALL '.join(legs)} ORDER BY place", tuple(sql.values), ())


def orders_for(query: SearchQuery) -> tuple[str, ...]:
    """The SQL types of the keys by which a page continues."""
    if is_plain(query):
        return tuple(o.kind for o in _orders(query))
    return tuple(o.kind for o in legs_of(query)[0].orders(query))


def _orders(query: SearchQuery) -> tuple[Order, ...]:
    by_index = bound_patient(query) is not None or not finds_few(query)
    return orders_of(query, Rows(_T, query.type), by_index=by_index)


def is_plain(query: SearchQuery) -> bool:
    return bool(query.type) and query.outside and query.inside is None


def bound_patient(query: SearchQuery) -> str | None:
    """The one patient that a search is about, where it says so."""
    return next(filter(None, (_bound_patient(query.type, c) for c in query.conditions)), None) if query.type else None


def where(resource_type: str, conditions: Sequence[Condition], rows: Rows, sql: Sql) -> list[str]:
    """What the rows of a search answer; `rows` that are contained have neither patient nor shard of their own."""
    if rows.container:
        return [clause(c, rows, sql) for c in conditions]
    found = []
    bound = next((c for c in conditions if _bound_patient(resource_type, c)), None)
    if bound is not None:
        patient = _bound_patient(resource_type, bound)
        place = sql.bind(patient, "text"), sql.bind(shard_of(str(patient)), "bigint")
        found += [f"{rows.name}.patient = {place[0]}", f"{rows.name}.shard = {place[1]}"]
        rows = msgspec.structs.replace(rows, few=True, bound=place)
    elif resource_type == "AuditEvent":
        found += [audited for condition in conditions if (audited := _audited(condition, rows, sql))]
    found.append(live(rows, sql))
    for condition in conditions:
        if condition is not bound:
            text = clause(condition, rows, sql)
            found.append(f"({text}) IS TRUE" if bound is not None else text)
    return found


def _audited(condition: Condition, rows: Rows, sql: Sql) -> str | None:
    """The audit has an index of its patients, its tokens are made as they are read: what follows from a condition, for the planner."""
    if not isinstance(condition, Match) or condition.modifier or condition.parameter != "patient":
        return None
    named = [r.partition("/")[2] for v in condition.values if isinstance(v, ReferenceValue) for r in v.references]
    patients = sql.bind(named, "text[]")
    return f"({rows.name}.stored OR {rows.name}.patient = ANY({patients}) OR {rows.name}.about && {patients})"


def _bound_patient(resource_type: str, condition: Condition) -> str | None:
    """The one patient that a condition names, if it is by the parameter that the column `patient` stands for."""
    if (
        not isinstance(condition, Match)
        or condition.modifier
        or condition.parameter not in patient_parameters(resource_type)
    ):
        return None
    if (
        len(condition.values) != 1
        or not isinstance(value := condition.values[0], ReferenceValue)
        or len(value.references) != 1
    ):
        return None
    kind, _, patient = value.references[0].partition("/")
    return patient if kind == "Patient" and "/" not in patient else None
