"""One search over the tables of several types, or over the resources inside others, as one statement.

http://hl7.org/fhir/R4/search.html#all and http://hl7.org/fhir/R4/search.html#contained
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from services.fhir.definitions import type_definition
from services.fhir.search.keys import contained_key
from services.fhir.search.query import Condition, SearchQuery
from services.fhir.store.access import live
from services.fhir.store.paging import behind
from services.fhir.store.sorting import Order, orders_of
from services.fhir.store.statement import RETURNED, Rows, Sql, contained_rows, table
from services.fhir.store.tables import stored_types

Where = Callable[[str, Sequence[Condition], Rows, Sql], list[str]]

_RETURNED_OF_CONTAINER: Final = RETURNED.replace("t.", "c.")


class Leg(msgspec.Struct, frozen=True):
    """One source of rows: the table of a type, or what is `inside` the rows of another table."""

    type: str
    conditions: tuple[Condition, ...]
    container: str | None = None
    each: bool = False  # every contained resource is a match by itself, not its container

    @property
    def table(self) -> str:
        return self.container or self.type

    @property
    def rows(self) -> Rows:
        return Rows("t", self.type, container="c" if self.container else None)

    def orders(self, query: SearchQuery) -> tuple[Order, ...]:
        """Behind the id stand the type and the id inside, so that no two rows of all the legs are equal."""
        inner = "t.id" if self.each else "''::text"
        ties = (Order(f"'{self.table}'::text", "text", unique=True), Order(inner, "text", unique=True))
        return (*orders_of(query, self.rows), *ties)

    def source(self, sql: Sql, where: Where) -> str:
        if self.container is None:
            return f"{table(self.type)} t WHERE {' AND '.join(where(self.type, self.conditions, self.rows, sql))}"
        t = Rows("x", self.type, container="c")
        of_type = f"x.type = {sql.bind(self.type, 'text')}"
        found = " AND ".join([of_type, *where(self.type, self.conditions, t, sql)])
        first = "" if self.each else " ORDER BY x.id LIMIT 1"
        inside = f"SELECT * FROM {contained_rows(self.type, 'c', 'x')} WHERE {found}{first}"
        marked = f"c.tokens && {sql.bind([contained_key('', self.type)], 'text[]')}"
        return f"{table(self.container)} c CROSS JOIN LATERAL ({inside}) t WHERE {live(Rows('c', self.container), sql)} AND {marked}"


@cache
def _containers() -> tuple[str, ...]:
    return tuple(t for t in stored_types() if "contained" in type_definition(t).elements)


def legs_of(query: SearchQuery) -> list[Leg]:
    types = query.types or ((query.type, query.conditions),)
    legs = [Leg(t, conditions) for t, conditions in types] if query.outside else []
    if query.inside is not None:
        each = query.inside == "contained"
        may = [c for c in _containers() if query.readable is None or c in query.readable]
        legs += [Leg(t, conditions, c, each=each) for t, conditions in types for c in may]
    return legs


def legs_statement(
    query: SearchQuery, after: Sequence[Any] | None, sql: Sql, where: Where, *, with_tokens: bool
) -> tuple[str, tuple[Order, ...]]:
    """Each leg gives its own first rows, of which the first of all are the page."""
    texts = [_leg(leg, query, after, sql, where, with_tokens=with_tokens) for leg in legs_of(query)]
    orders = legs_of(query)[0].orders(query)
    order = ", ".join(msgspec.structs.replace(o, expression=f"k{n}").clause for n, o in enumerate(orders))
    limit = sql.bind(query.count + 1, "bigint")
    return f"SELECT * FROM ({' UNION ALL '.join(texts)}) p ORDER BY {order} LIMIT {limit}", orders


def _leg(
    leg: Leg, query: SearchQuery, after: Sequence[Any] | None, sql: Sql, where: Where, *, with_tokens: bool
) -> str:
    orders = leg.orders(query)
    source = leg.source(sql, where) + (f" AND {behind(orders, after, sql)}" if after is not None else "")
    own = "c" if leg.container else "t"
    returned = _RETURNED_OF_CONTAINER if leg.container else RETURNED
    keys = "".join(f", {o.expression} AS k{n}" for n, o in enumerate(orders))
    tokens = f", {own}.tokens" if with_tokens else ""
    order = ", ".join(
        f"k{n} {'DESC' if o.descending else 'ASC'}{'' if o.unique else ' NULLS LAST'}" for n, o in enumerate(orders)
    )
    limit = sql.bind(query.count + 1, "bigint")
    return (
        f"(SELECT '{leg.table}'::text AS type, {returned}{keys}{tokens} FROM {source} ORDER BY {order} LIMIT {limit})"
    )
