"""Values that stand together in one element: http://hl7.org/fhir/R4/search.html#composite"""

from typing import Final

from services.fhir.search.keys import keys_of, string_key
from services.fhir.search.query import CompositeValue, DateValue, Match, StringValue, Value
from services.fhir.store import ranges
from services.fhir.store.statement import Rows, Sql

_COLUMNS: Final = {
    "token": ("k", "text[]"),
    "reference": ("k", "text[]"),
    "uri": ("k", "text[]"),
    "string": ("s", "text[]"),
    "date": ("d", "tstzrange[]"),
    "number": ("q", "jsonb"),
    "quantity": ("q", "jsonb"),
}


def composite_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    values = [v for v in condition.values if isinstance(v, CompositeValue)]
    return "(" + " OR ".join(_together(condition.parameter, v, rows, sql) for v in values) + ")"


def _together(parameter: str, value: CompositeValue, rows: Rows, sql: Sql) -> str:
    """The first part is indexed by itself too: that finds the rows, of which then the elements are looked at."""
    columns = ", ".join(f"{name}{n} {kind}" for n, (name, kind) in enumerate(_COLUMNS[t] for t, _ in value.parts))
    entries = f"jsonb_to_recordset({rows.name}.composites) AS g (p text[], {columns})"
    parts = [_part(f"g.{_COLUMNS[t][0]}{n}", t, v, sql) for n, (t, v) in enumerate(value.parts)]
    named = f"{sql.bind(parameter, 'text')} = ANY(g.p)"
    exists = f"EXISTS (SELECT FROM {entries} WHERE {' AND '.join([named, *parts])})"
    if value.narrow is None:
        return exists
    return f"({rows.name}.tokens && {sql.bind([*keys_of(value.narrow, value.parts[0][1])], 'text[]')} AND {exists})"


def _part(column: str, kind: str, value: Value, sql: Sql) -> str:
    match value:
        case StringValue(_, normalized):
            start = sql.bind(string_key("", normalized), "text")
            return f"EXISTS (SELECT FROM unnest({column}) s WHERE starts_with(s, {start}))"
        case DateValue():
            compared = ranges.compare_dates(value, "lower(e)", "upper(e)", sql)
            return f"EXISTS (SELECT FROM unnest({column}) e WHERE {compared})"
    if kind in ("number", "quantity"):
        return ranges.among(value, column, sql)
    return f"{column} && {sql.bind([*keys_of('', value)], 'text[]')}"
