"""Sort keys: min of repeated values ascending, max descending, rows without a value last: http://hl7.org/fhir/R4/search.html#sort"""

from typing import Final

import msgspec

from services.fhir.search.index import date_parameters
from services.fhir.search.keys import string_key
from services.fhir.search.query import SearchQuery, SortKey
from services.fhir.store.statement import Rows


class Order(msgspec.Struct, frozen=True):
    """One column of ORDER BY; `kind` is its SQL type, `unique` says that it is never null."""

    expression: str
    kind: str
    descending: bool = False
    unique: bool = False

    @property
    def clause(self) -> str:
        direction = "DESC" if self.descending else "ASC"
        return f"{self.expression} {direction}{'' if self.unique else ' NULLS LAST'}"


_WITHOUT_SYSTEM: Final = r"([^|\\]|\\[|\\])*$"  # `|` in a code is escaped, so a bare one ends a system (search/keys.py)


def orders_of(query: SearchQuery, rows: Rows, *, by_index: bool = True) -> tuple[Order, ...]:
    """The wanted keys, and the id behind them, so that no two rows are equal and paging is stable.

    Not `by_index`, they are written as expressions that no index has (store/selectivity.py).
    """
    keys = [_order(key, rows) for key in query.sort if key.parameter != "_id"]
    orders = (*keys, _tie_breaker(query, rows.container or rows.name))
    return orders if by_index else tuple(_apart(order) for order in orders)


def _apart(order: Order) -> Order:
    if not order.unique:
        return order
    nothing = "interval '0'" if order.kind == "timestamptz" else "''"
    sign = "+" if order.kind == "timestamptz" else "||"
    return msgspec.structs.replace(order, expression=f"({order.expression} {sign} {nothing})")


def _tie_breaker(query: SearchQuery, name: str) -> Order:
    descending = any(key.parameter == "_id" and key.descending for key in query.sort)
    return Order(f"{name}.id", "text", descending=descending, unique=True)


def _order(key: SortKey, rows: Rows) -> Order:
    if key.parameter == "_lastUpdated":
        return Order(rows.updated, "timestamptz", key.descending, unique=True)
    pick, name = "max" if key.descending else "min", rows.name
    match key.type:
        case "date" if column := _date_column(rows.type, key):
            return Order(f'{name}."{column}"', "timestamptz", key.descending)
        case "string":
            return Order(
                f"(SELECT {pick}(s) FROM unnest({name}.strings) s WHERE starts_with(s, {_quoted(string_key(key.parameter, ''))}))",
                "text",
                key.descending,
            )
        case "number" | "quantity" | "date":
            return Order(
                f"(SELECT {pick}(coalesce(q.v, q.lo)) FROM jsonb_to_recordset({name}.quantities) AS q (p text[], lo numeric, v numeric) WHERE {_quoted(key.parameter)} = ANY(q.p))",
                "numeric",
                key.descending,
            )
        case _:
            return Order(
                f"(SELECT {pick}(k) FROM unnest({name}.tokens) k WHERE {_plain_key(key)})", "text", key.descending
            )


def _date_column(resource_type: str, key: SortKey) -> str | None:
    """The start of a period; of repeated ones the last end descending. None for a parameter without columns of its own."""
    parameter = next((d for d in date_parameters(resource_type) if d.code == key.parameter), None)
    if parameter is None:
        return None
    return f"{parameter.column}_{'hi' if key.descending and parameter.repeats else 'lo'}"


def _plain_key(key: SortKey) -> str:
    """Of the forms of a token only the one of the bare code sorts."""
    if key.type == "token":
        return f"k ~ {_quoted(f'^{key.parameter}=' + _WITHOUT_SYSTEM)}"
    return f"starts_with(k, {_quoted(key.parameter + '=')})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
