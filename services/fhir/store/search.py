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
from services.fhir.store.query import (
    Statement,
    bound_patient,
    capped_counts_statement,
    count_statement,
    first_pages_statement,
    is_plain,
    orders_for,
    page_statement,
)
from services.fhir.store.rows import Stored, from_record

__all__ = ["MAX_INCLUDED", "Page", "capped_counts", "first_pages", "page_alone", "search", "statement_alone"]


class Page(msgspec.Struct, frozen=True):
    """`next` is the cursor of the following page; `truncated` tells that more would have been included than `MAX_INCLUDED`."""

    matches: tuple[Stored, ...]
    inside: tuple[str, ...] = ()  # the id of each match inside its container, "" for the container itself
    included: tuple[Stored, ...] = ()
    total: int | None = None
    next: str | None = None
    truncated: bool = False


def statement_alone(query: SearchQuery, keys: bytes, access: Access) -> Statement | None:
    """The one statement of a search that needs no other and is about one patient."""
    is_alone = not (query.only_count or query.total != "none" or query.includes or query.revincludes)
    if not is_alone or not is_plain(query) or bound_patient(query) is None or _bare(query):
        return None
    return page_statement(query, _after(query, keys), access, with_tokens=False)


def page_alone(query: SearchQuery, statement: Statement, records: Sequence[Any], keys: bytes) -> Page:
    """What was found by it."""
    rows, place = _rows(query, statement, records)
    matches = tuple([from_record(r, query.type) for r in rows])
    return Page(matches, next=seal(place, _identity(query), keys) if place else None)


async def first_pages(connection: Any, queries: Sequence[SearchQuery], access: Access) -> list[list[Stored]]:
    """What each of several plain searches finds on its first page, in one round trip."""
    found: list[list[Stored]] = [[] for _ in queries]
    if queries:
        statement = first_pages_statement(queries, access)
        for record in await connection.fetch(statement.sql, *statement.values):
            place = record["place"]
            found[place].append(from_record(record, queries[place].type))
    return found


async def capped_counts(connection: Any, queries: Sequence[SearchQuery], most: int, access: Access) -> list[int]:
    """How much each of several plain searches finds, up to one more than `most`; in one round trip."""
    statement = capped_counts_statement(queries, most, access)
    return [record["number"] for record in await connection.fetch(statement.sql, *statement.values)]


async def search(connection: Any, query: SearchQuery, key: bytes, access: Access) -> Page:
    await _check_unambiguous(connection, query, access)
    if query.only_count:
        return Page((), total=await _count(connection, query, access))
    with_tokens = bool(query.includes or query.revincludes)
    statement = page_statement(query, _after(query, key), access, with_tokens=with_tokens)
    records = await connection.fetch(statement.sql, *statement.values)
    rows, place = _rows(query, statement, records)
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


def _after(query: SearchQuery, keys: bytes) -> list[Any] | None:
    return None if query.cursor is None else unseal(query.cursor, _identity(query), orders_for(query), keys)


def _rows(query: SearchQuery, statement: Statement, records: Sequence[Any]) -> tuple[Sequence[Any], list[Any] | None]:
    """Those of the page, and the place of its last where there is more."""
    rows, more = records[: query.count], len(records) > query.count
    return rows, [rows[-1][f"k{n}"] for n in range(len(statement.orders))] if more else None


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
    bare = _bare(query)
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


def _bare(query: SearchQuery) -> set[tuple[str, tuple[str, ...]]]:
    """Parameters and the resources of several types that one value may mean."""
    conditions = chain(query.conditions, *(conditions for _, conditions in query.types))
    return {
        (match.parameter, value.references)
        for match in matches_in(conditions)
        if match.type == "reference"
        for value in match.values
        if isinstance(value, ReferenceValue) and len(value.references) > 1
    }
