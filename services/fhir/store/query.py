"""From a plain search query to one SQL statement: http://hl7.org/fhir/R4/search.html

Every value is a parameter, so requests of the same shape share one prepared statement and its generic plan. A search bound to one patient
walks that patient's own index: there the token conditions are written `(…) IS TRUE`, a filter to the planner, because the GIN index,
which a generic plan would otherwise choose, was measured seven times slower (docs/adr/0004).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.fhir.search.index import patient_parameters
from services.fhir.search.keys import exact_key, string_key, text_key, token_key
from services.fhir.search.query import (
    Condition,
    Match,
    Missing,
    ReferenceValue,
    SearchQuery,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from services.fhir.store import ranges
from services.fhir.store.shards import shard_of
from services.fhir.store.sorting import Order, orders_of

RETURNED: Final = "t.id, t.shard, t.version, t.updated, t.method, t.body, t.patient"
_BY_KEYS: Final = frozenset({"token", "reference", "uri"})


class Sql:
    """A statement under construction: text with `$n` and the values behind it."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def bind(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"


class Statement(msgspec.Struct, frozen=True):
    sql: str
    values: tuple[Any, ...]
    orders: tuple[Order, ...]


def page_statement(query: SearchQuery, after: Sequence[Any] | None, *, with_tokens: bool) -> Statement:
    """One page and one row more; columns `k0…` are the sort keys of a row, from which the next page's link is made."""
    sql = Sql()
    where = _where(query, sql)
    orders = orders_of(query)
    if after is not None:
        where.append(_behind(orders, after, sql))
    keys = "".join(f", {o.expression} AS k{n}" for n, o in enumerate(orders))
    tokens = ", t.tokens" if with_tokens else ""
    order = ", ".join(o.clause for o in orders)
    limit = sql.bind(query.count + 1, "bigint")
    text = f'SELECT {RETURNED}{keys}{tokens} FROM fhir."{query.type.lower()}" t WHERE {" AND ".join(where)} ORDER BY {order} LIMIT {limit}'
    return Statement(text, tuple(sql.values), orders)


def count_statement(query: SearchQuery) -> Statement:
    sql = Sql()
    where = " AND ".join(_where(query, sql))
    return Statement(f'SELECT count(*) FROM fhir."{query.type.lower()}" t WHERE {where}', tuple(sql.values), ())


def _where(query: SearchQuery, sql: Sql) -> list[str]:
    bound = next((c for c in query.conditions if _bound_patient(query.type, c)), None)
    where = ["NOT t.deleted"]
    if bound is not None:
        patient = _bound_patient(query.type, bound)
        where += [f"t.patient = {sql.bind(patient, 'text')}", f"t.shard = {sql.bind(shard_of(str(patient)), 'bigint')}"]
    for condition in query.conditions:
        if condition is not bound:
            clause = _condition(query.type, condition, sql)
            where.append(f"({clause}) IS TRUE" if bound is not None else clause)
    return where


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


# ---- one condition --------------------------------------------------------------------------------------------------------


def _condition(resource_type: str, condition: Condition, sql: Sql) -> str:
    if isinstance(condition, Missing):
        present = _present(condition, sql)
        return f"NOT ({present})" if condition.missing else present
    if condition.parameter == "_id":
        return f"t.id = ANY({sql.bind([v.code for v in condition.values if isinstance(v, TokenValue)], 'text[]')})"
    if condition.parameter == "_lastUpdated":
        return ranges.any_of(condition.values, lambda v: ranges.instant("t.updated", v, sql))
    if condition.type in _BY_KEYS:
        return _keys_clause(condition, [k for v in condition.values for k in _keys(condition.parameter, v)], sql)
    if condition.type == "string":
        return _string_clause(condition, sql)
    return ranges.clause(resource_type, condition, sql)


def _keys_clause(condition: Match, keys: list[str], sql: Sql) -> str:
    clause = f"t.tokens && {sql.bind(keys, 'text[]')}"
    return f"NOT ({clause})" if condition.modifier == "not" else clause


def _keys(parameter: str, value: Value) -> tuple[str, ...]:
    match value:
        case TokenValue(system, code):
            return (token_key(parameter, system, code),)
        case ReferenceValue(references):
            return tuple(text_key(parameter, r) for r in references)
        case UriValue(uri):
            return (text_key(parameter, uri),)
        case _:
            raise TypeError(type(value).__name__)


def _string_clause(condition: Match, sql: Sql) -> str:
    values = [v for v in condition.values if isinstance(v, StringValue)]
    match condition.modifier:
        case "exact":
            return f"t.tokens && {sql.bind([exact_key(condition.parameter, v.text) for v in values], 'text[]')}"
        case "contains":
            patterns = [f"{string_key(condition.parameter, '')}%{_like(v.normalized)}%" for v in values]
            return f"EXISTS (SELECT FROM unnest(t.strings) s WHERE s LIKE ANY({sql.bind(patterns, 'text[]')}))"
        case _:
            lexemes = " | ".join(f"{_lexeme(string_key(condition.parameter, v.normalized))}:*" for v in values)
            return f"array_to_tsvector(t.strings) @@ {sql.bind(lexemes, 'text')}::tsquery"


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _lexeme(text: str) -> str:
    """Quoted for `tsquery`: https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY"""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _present(condition: Missing, sql: Sql) -> str:
    if condition.parameter in ("_id", "_lastUpdated"):
        return "true"
    if condition.type in _BY_KEYS:
        starts = sql.bind([f"{condition.parameter}=", f"{condition.parameter}:"], "text[]")
        return f"EXISTS (SELECT FROM unnest(t.tokens) k, unnest({starts}) p WHERE starts_with(k, p))"
    if condition.type == "string":
        return f"EXISTS (SELECT FROM unnest(t.strings) s WHERE starts_with(s, {sql.bind(string_key(condition.parameter, ''), 'text')}))"
    return ranges.present(condition, sql)


# ---- the next page --------------------------------------------------------------------------------------------------------


def _behind(orders: tuple[Order, ...], after: Sequence[Any], sql: Sql) -> str:
    """Rows that sort after the last one of the page before: equal in the first keys and behind in the next, nulls last."""
    alternatives, equal = [], []
    for order, value in zip(orders, after, strict=True):
        if value is None:
            equal.append(f"{order.expression} IS NULL")
            continue
        bound = sql.bind(value, order.kind)
        sign = "<" if order.descending else ">"
        behind = f"{order.expression} {sign} {bound}" + ("" if order.unique else f" OR {order.expression} IS NULL")
        alternatives.append(" AND ".join([*equal, f"({behind})"]))
        equal.append(f"{order.expression} = {bound}")
    return "(" + " OR ".join(alternatives) + ")"
