"""Dates, numbers and quantities: a stored range against a searched one: http://hl7.org/fhir/R4/search.html#prefix

A date parameter's columns hold the smallest start and the largest end. For one value they are that value; where a parameter repeats, the
values stand in `…_each`, which is null as long as there is only one.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, Protocol

from services.fhir.search.index import date_parameters
from services.fhir.search.query import DateValue, Match, Missing, NumberValue, QuantityValue, Value


class Binder(Protocol):
    def bind(self, value: object, kind: str) -> str: ...


_QUANTITIES: Final = "jsonb_to_recordset(t.quantities) AS q (p text, lo numeric, hi numeric, s text, c text, u text)"

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
}


def any_of(values: Sequence[Value], clause: Callable[[Value], str]) -> str:
    return "(" + " OR ".join(clause(v) for v in values) + ")"


def clause(resource_type: str, condition: Match, sql: Binder) -> str:
    if condition.type == "date":
        return any_of(condition.values, lambda v: _date(resource_type, condition.parameter, v, sql))
    return any_of(condition.values, lambda v: _quantity(condition.parameter, v, sql))


def present(condition: Missing, sql: Binder) -> str:
    if condition.type == "date":
        return f't."{condition.parameter.replace("-", "_")}_lo" IS NOT NULL'
    return f"EXISTS (SELECT FROM {_QUANTITIES} WHERE q.p = {sql.bind(condition.parameter, 'text')})"


def instant(expression: str, value: Value, sql: Binder) -> str:
    """`_lastUpdated` is a point in time, so the btree on it serves every prefix but `ne`."""
    return _compare(_as_date(value), expression, f"{expression} + interval '1 millisecond'", sql)


def _date(resource_type: str, parameter: str, value: Value, sql: Binder) -> str:
    wanted = _as_date(value)
    column, repeats = _columns(resource_type)[parameter]
    bounds = _compare(wanted, f't."{column}_lo"', f't."{column}_hi"', sql)
    if not repeats:
        return bounds
    each = _compare(wanted, "lower(e)", "upper(e)", sql)
    return (
        f'((t."{column}_each" IS NULL AND {bounds}) OR EXISTS (SELECT FROM unnest(t."{column}_each") e WHERE {each}))'
    )


@cache
def _columns(resource_type: str) -> dict[str, tuple[str, bool]]:
    return {d.code: (d.column, d.repeats) for d in date_parameters(resource_type)}


def _as_date(value: Value) -> DateValue:
    if not isinstance(value, DateValue):
        raise TypeError(type(value).__name__)
    return value


def _compare(wanted: DateValue, lo: str, hi: str, sql: Binder) -> str:
    """`lo` and `hi` are the resource's half-open range, `start` and `end` the search's."""
    template = _DATE_PREFIXES[wanted.prefix]
    start = sql.bind(wanted.lo, "timestamptz") if "{start}" in template else ""
    end = sql.bind(wanted.hi, "timestamptz") if "{end}" in template else ""
    return template.format(lo=lo, hi=hi, start=start, end=end)


def _quantity(parameter: str, value: Value, sql: Binder) -> str:
    if not isinstance(value, NumberValue | QuantityValue):
        raise TypeError(type(value).__name__)
    conditions = [f"q.p = {sql.bind(parameter, 'text')}", _compare_number(value, sql)]
    if isinstance(value, QuantityValue) and value.code is not None:
        code = sql.bind(value.code, "text")
        conditions.append(f"q.c = {code}" if value.system else f"(q.c = {code} OR q.u = {code})")
    if isinstance(value, QuantityValue) and value.system:
        conditions.append(f"q.s = {sql.bind(value.system, 'text')}")
    return f"EXISTS (SELECT FROM {_QUANTITIES} WHERE {' AND '.join(conditions)})"


def _compare_number(value: NumberValue | QuantityValue, sql: Binder) -> str:
    """`eq ne ap` by the implicit range of the search value, the others by its exact value; an open end is unbounded."""
    lo, hi = "coalesce(q.lo, '-Infinity')", "coalesce(q.hi, 'Infinity')"
    if value.prefix in ("eq", "ne", "ap"):
        wanted_lo, wanted_hi = sql.bind(value.lo, "numeric"), sql.bind(value.hi, "numeric")
        inside = f"({lo} >= {wanted_lo} AND {hi} < {wanted_hi})"
        overlaps = f"({lo} < {wanted_hi} AND {hi} >= {wanted_lo})"
        return {"eq": inside, "ne": f"NOT {inside}", "ap": overlaps}[value.prefix]
    exact = sql.bind(value.value, "numeric")
    return {
        "gt": f"{hi} > {exact}",
        "lt": f"{lo} < {exact}",
        "ge": f"{hi} >= {exact}",
        "le": f"{lo} <= {exact}",
        "sa": f"{lo} > {exact}",
        "eb": f"{hi} < {exact}",
    }[value.prefix]
