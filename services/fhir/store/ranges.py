"""Dates, numbers and quantities: a stored range against a searched one: http://hl7.org/fhir/R4/search.html#prefix

A date parameter's columns hold the smallest start and the largest end. For one value they are that value; where a parameter repeats, the
values stand in `…_each`, which is null as long as there is only one.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from services.fhir.search.dates import microseconds
from services.fhir.search.index import date_parameters
from services.fhir.search.query import DateValue, Match, Missing, NearValue, NumberValue, QuantityValue, Value
from services.fhir.store.statement import Rows, Sql

_QUANTITY: Final = "(p text[], lo numeric, hi numeric, s text, c text, u text, d text, v numeric, w numeric)"
_EARTH_KM: Final = "6371.0088"

_DATE_PREFIXES: Final = {
    "eq": "({lo} >= {start} AND {hi} <= {end})",
    "ne": "NOT ({lo} >= {start} AND {hi} <= {end})",
    "gt": "{hi} > {end}",
    "lt": "{lo} < {start}",
    "ge": "({hi} > {end} OR ({lo} >= {start} AND {hi} <= {end}))",
    "le": "({lo} < {start} OR ({lo} >= {start} AND {hi} <= {end}))",
    "sa": "{lo} >= {end}",
    "eb": "{hi} <= {start}",
    "ap": "({lo} < {end} AND {hi} > {start})",
    "po": "({lo} < {end} AND {hi} > {start})",
    "co": "({lo} <= {start} AND {hi} >= {end})",
}


def any_of(values: Sequence[Value], clause: Callable[[Value], str]) -> str:
    return "(" + " OR ".join(clause(v) for v in values) + ")"


def clause(condition: Match, rows: Rows, sql: Sql) -> str:
    if condition.type == "date" and condition.parameter in _columns(rows.type):
        return any_of(condition.values, lambda v: _date(condition.parameter, v, rows, sql))
    return any_of(condition.values, lambda v: _entry(condition.parameter, v, rows, sql))


def present(condition: Missing, rows: Rows, sql: Sql) -> str:
    if condition.type == "date" and condition.parameter in _columns(rows.type):
        return f'{rows.name}."{_columns(rows.type)[condition.parameter][0]}_lo" IS NOT NULL'
    return f"EXISTS (SELECT FROM {_entries(rows)} WHERE {sql.bind(condition.parameter, 'text')} = ANY(q.p))"


def instant(expression: str, value: Value, sql: Sql) -> str:
    """`_lastUpdated` is a point in time, so the btree on it serves every prefix but `ne`."""
    return compare_dates(_as_date(value), expression, f"{expression} + interval '1 millisecond'", sql)


def _date(parameter: str, value: Value, rows: Rows, sql: Sql) -> str:
    wanted = _as_date(value)
    column, repeats = _columns(rows.type)[parameter]
    stem = f'{rows.name}."{column}'
    bounds = compare_dates(wanted, f'{stem}_lo"', f'{stem}_hi"', sql)
    if not repeats:
        return bounds
    each = compare_dates(wanted, "lower(e)", "upper(e)", sql)
    return f'(({stem}_each" IS NULL AND {bounds}) OR EXISTS (SELECT FROM unnest({stem}_each") e WHERE {each}))'


@cache
def _columns(resource_type: str) -> dict[str, tuple[str, bool]]:
    return {d.code: (d.column, d.repeats) for d in date_parameters(resource_type)}


def _as_date(value: Value) -> DateValue:
    if not isinstance(value, DateValue):
        raise TypeError(type(value).__name__)
    return value


def compare_dates(wanted: DateValue, lo: str, hi: str, sql: Sql) -> str:
    """`lo` and `hi` are the resource's half-open range, `start` and `end` the search's."""
    return _compare_ranges(wanted.prefix, lo, hi, (wanted.lo, wanted.hi), "timestamptz", sql)


def _compare_ranges(prefix: str, lo: str, hi: str, wanted: tuple[object, object], kind: str, sql: Sql) -> str:
    template = _DATE_PREFIXES[prefix]
    start = sql.bind(wanted[0], kind) if "{start}" in template else ""
    end = sql.bind(wanted[1], kind) if "{end}" in template else ""
    return template.format(lo=lo, hi=hi, start=start, end=end)


def _entries(rows: Rows) -> str:
    return f"jsonb_to_recordset({rows.name}.quantities) AS q {_QUANTITY}"


def _entry(parameter: str, value: Value, rows: Rows, sql: Sql) -> str:
    named = f"{sql.bind(parameter, 'text')} = ANY(q.p)"
    return f"EXISTS (SELECT FROM {_entries(rows)} WHERE {named} AND {_compare(value, sql)})"


def among(value: Value, entries: str, sql: Sql) -> str:
    """The same over a JSON list of a composite's part."""
    return f"EXISTS (SELECT FROM jsonb_to_recordset({entries}) AS q {_QUANTITY} WHERE {_compare(value, sql)})"


def _compare(value: Value, sql: Sql) -> str:
    if isinstance(value, NearValue):
        return _near(value, sql)
    if isinstance(value, DateValue):  # a parameter without columns of its own: search/dates.py, as_quantities
        wanted = microseconds(value.lo), microseconds(value.hi)
        return _compare_ranges(value.prefix, "q.lo", "coalesce(q.hi, q.lo)", wanted, "numeric", sql)
    if not isinstance(value, NumberValue | QuantityValue):
        raise TypeError(type(value).__name__)
    if isinstance(value, QuantityValue) and value.dimension is not None:
        return f"q.d = {sql.bind(value.dimension, 'text')} AND {_compare_number(value, 'q.v', 'q.w', sql)}"
    conditions = [_compare_number(value, "q.lo", "q.hi", sql)]
    if isinstance(value, QuantityValue) and value.code is not None:
        code = sql.bind(value.code, "text")
        conditions.append(f"q.c = {code}" if value.system else f"(q.c = {code} OR q.u = {code})")
    if isinstance(value, QuantityValue) and value.system:
        conditions.append(f"q.s = {sql.bind(value.system, 'text')}")
    return " AND ".join(conditions)


def _compare_number(value: NumberValue | QuantityValue, low: str, high: str, sql: Sql) -> str:
    """`eq ne ap` by the implicit range of the search value, the others by its exact value; an open end is unbounded."""
    lo, hi = low, f"coalesce({high}, {low})"
    if value.prefix in ("eq", "ne", "ap"):
        wanted_lo, wanted_hi = sql.bind(value.lo, "numeric"), sql.bind(value.hi, "numeric")
        inside = f"({lo} >= {wanted_lo} AND {hi} < {wanted_hi})"
        overlaps = f"({lo} < {wanted_hi} AND {hi} >= {wanted_lo})"
        return {"eq": inside, "ne": f"NOT {inside}", "ap": overlaps}[value.prefix]
    exact = sql.bind(value.value, "numeric")
    if value.prefix == "co":  # what is stored includes it: 5.4 is from 5.35 to 5.45
        return f"abs({low} - {exact}) <= 0.5 * 10 ^ (-scale({low}))"
    return {
        "gt": f"{hi} > {exact}",
        "lt": f"{lo} < {exact}",
        "ge": f"{hi} >= {exact}",
        "le": f"{lo} <= {exact}",
        "sa": f"{lo} > {exact}",
        "eb": f"{hi} < {exact}",
    }[value.prefix]


def _near(value: NearValue, sql: Sql) -> str:
    """The great-circle distance by the haversine; `lo` is the latitude, `hi` the longitude."""
    latitude = f"radians({sql.bind(value.latitude, 'numeric')}::float8)"
    longitude = f"radians({sql.bind(value.longitude, 'numeric')}::float8)"
    haversine = (
        f"sin((radians(q.lo::float8) - {latitude}) / 2) ^ 2 + cos(radians(q.lo::float8)) * cos({latitude}) "
        f"* sin((radians(coalesce(q.hi, q.lo)::float8) - {longitude}) / 2) ^ 2"
    )
    return f"2 * {_EARTH_KM} * asin(sqrt(least(1, {haversine}))) <= {sql.bind(value.kilometres, 'numeric')}::float8"
