"""Run a search: one page, its total where asked, and what it includes: http://hl7.org/fhir/R4/search.html"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

from services.fhir.access.access import Access
from services.fhir.outcomes import bad_request
from services.fhir.search.query import ReferenceValue, SearchQuery, matches_in
from services.fhir.store import read
from services.fhir.store.cursors import seal, unseal
from services.fhir.store.includes import MAX_INCLUDED, Found, included
from services.fhir.store.query import count_statement, is_plain, orders_for, page_statement
from services.fhir.store.rows import Stored, from_record

__all__ = ["MAX_INCLUDED", "Page", "search"]


class Page(msgspec.Struct, frozen=True):
    """`next` is the cursor of the following page; `truncated` tells that more would have been included than `MAX_INCLUDED`."""

    matches: tuple[Stored, ...]
    inside: tuple[str, ...] = ()  # the id of each match inside its container, "" for the container itself
    included: tuple[Stored, ...] = ()
    total: int | None = None
    next: str | None = None
    truncated: bool = False


async def search(connection: Any, query: SearchQuery, key: bytes, access: Access) -> Page:
    await _check_unambiguous(connection, query, access)
    if query.only_count:
        return Page((), total=await _count(connection, query, access))
    after = None
    if query.cursor is not None:
        after = unseal(query.cursor, _identity(query), orders_for(query), key)
    statement = page_statement(query, after, access, with_tokens=bool(query.includes or query.revincludes))
    records = await connection.fetch(statement.sql, *statement.values)
    rows, more = records[: query.count], len(records) > query.count
    place = [rows[-1][f"k{n}"] for n in range(len(statement.orders))] if more else None
    matches = tuple(from_record(r, query.type if is_plain(query) else r["type"]) for r in rows)
    included, truncated = await _included(connection, query, matches, rows, access)
    return Page(
        matches,
        tuple(r[f"k{len(statement.orders) - 1}"] for r in rows) if query.inside == "contained" else (),
        included,
        total=await _count(connection, query, access) if query.total != "none" else None,
        next=seal(place, _identity(query), key) if place else None,
        truncated=truncated,
    )


async def _included(
    connection: Any, query: SearchQuery, matches: Sequence[Stored], rows: Sequence[Any], access: Access
) -> tuple[tuple[Stored, ...], bool]:
    if not rows or not (query.includes or query.revincludes):
        return (), False
    found = [Found(stored, row["tokens"]) for stored, row in zip(matches, rows, strict=True)]
    return await included(connection, query, found, access)


async def _count(connection: Any, query: SearchQuery, access: Access) -> int:
    statement = count_statement(query, access)
    return int(await connection.fetchval(statement.sql, *statement.values))


def _identity(query: SearchQuery) -> str:
    """What a page link depends on, but the place itself and the size of the page."""
    return f"{query.path or query.type}?{msgspec.json.encode([u for u in query.used if u[0] != '_count']).decode()}"


async def _check_unambiguous(connection: Any, query: SearchQuery, access: Access) -> None:
    """A bare id that names resources of several types is refused: http://hl7.org/fhir/R4/search.html#reference"""
    conditions = chain(query.conditions, *(conditions for _, conditions in query.types))
    bare = {
        (match.parameter, value.references)
        for match in matches_in(conditions)
        if match.type == "reference"
        for value in match.values
        if isinstance(value, ReferenceValue) and len(value.references) > 1
    }
    if not bare:
        return
    there = await read.existing(connection, {name for _, names in bare for name in names}, access)
    for parameter, names in bare:
        if len(there.intersection(names)) > 1:
            raise bad_request(
                f"{parameter}: this id names resources of several types; write Type/id",
                code="multiple-matches",
                text="该编号对应多种资源类型，请写成 类型/编号",
            )
