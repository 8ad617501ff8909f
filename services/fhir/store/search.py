"""Run a search: one page, its total where asked, and what it includes: http://hl7.org/fhir/R4/search.html"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from services.fhir.outcomes import bad_request
from services.fhir.search.keys import text_key
from services.fhir.search.query import Include, Match, ReferenceValue, SearchQuery
from services.fhir.store import read
from services.fhir.store.cursors import seal, unseal
from services.fhir.store.query import RETURNED, count_statement, page_statement
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.sorting import orders_of

MAX_INCLUDED: Final = 1000


class Page(msgspec.Struct, frozen=True):
    """`next` is the cursor of the following page; `truncated` tells that more would have been included than `MAX_INCLUDED`."""

    matches: tuple[Stored, ...]
    included: tuple[Stored, ...] = ()
    total: int | None = None
    next: str | None = None
    truncated: bool = False


async def search(connection: Any, query: SearchQuery, key: bytes) -> Page:
    await _check_unambiguous(connection, query)
    if query.only_count:
        return Page((), total=await _count(connection, query))
    after = None
    if query.cursor is not None:
        after = unseal(query.cursor, _identity(query), [o.kind for o in orders_of(query)], key)
    statement = page_statement(query, after, with_tokens=bool(query.includes))
    records = await connection.fetch(statement.sql, *statement.values)
    rows, more = records[: query.count], len(records) > query.count
    place = [rows[-1][f"k{n}"] for n in range(len(statement.orders))] if more else None
    included, truncated = await _included(connection, query, rows) if rows else ((), False)
    return Page(
        tuple(from_record(r, query.type) for r in rows),
        included,
        total=await _count(connection, query) if query.total != "none" else None,
        next=seal(place, _identity(query), key) if place else None,
        truncated=truncated,
    )


async def _count(connection: Any, query: SearchQuery) -> int:
    statement = count_statement(query)
    return int(await connection.fetchval(statement.sql, *statement.values))


def _identity(query: SearchQuery) -> str:
    """What a page link depends on, but the place itself and the size of the page."""
    return f"{query.type}?{msgspec.json.encode([u for u in query.used if u[0] != '_count']).decode()}"


async def _check_unambiguous(connection: Any, query: SearchQuery) -> None:
    """A bare id that names resources of several types is refused: http://hl7.org/fhir/R4/search.html#reference"""
    bare = [
        (condition.parameter, value.references)
        for condition in query.conditions
        for value in (condition.values if isinstance(condition, Match) else ())
        if isinstance(value, ReferenceValue) and len(value.references) > 1
    ]
    if not bare:
        return
    there = await read.existing(connection, {name for _, names in bare for name in names})
    for parameter, names in bare:
        if len(there.intersection(names)) > 1:
            raise bad_request(
                f"{parameter}: this id names resources of several types; write Type/id",
                code="multiple-matches",
                text="该编号对应多种资源类型，请写成 类型/编号",
            )


# ---- _include and _revinclude ---------------------------------------------------------------------------------------------


async def _included(connection: Any, query: SearchQuery, rows: Sequence[Any]) -> tuple[tuple[Stored, ...], bool]:
    """Each resource once, never one that is a match of this page."""
    matched = {f"{query.type}/{r['id']}" for r in rows}
    wanted = _referenced(query.includes, rows) - matched
    found = {f"{s.type}/{s.id}": s for s in await _named(connection, sorted(wanted)[: MAX_INCLUDED + 1])}
    for include in query.revincludes:
        referring = await _referring(connection, include, query.type, rows)
        found |= {name: s for s in referring if (name := f"{s.type}/{s.id}") not in matched}
    kept = tuple(found.values())
    return kept[:MAX_INCLUDED], len(kept) > MAX_INCLUDED


def _referenced(includes: Iterable[Include], rows: Sequence[Any]) -> set[str]:
    references = set()
    for include in includes:
        start = text_key(include.parameter, "")
        for row in rows:
            names = (k.removeprefix(start) for k in row["tokens"] if k.startswith(start))
            references |= {name for name in names if name.partition("/")[0] in include.targets}
    return references


async def _named(connection: Any, names: Sequence[str]) -> list[Stored]:
    ids = defaultdict(list)
    for name in names:
        resource_type, _, resource_id = name.partition("/")
        ids[resource_type].append(resource_id)
    return [s for t, wanted in ids.items() for s in await read.many(connection, t, wanted) if not s.is_deleted]


async def _referring(connection: Any, include: Include, searched: str, rows: Sequence[Any]) -> list[Stored]:
    keys = [text_key(include.parameter, f"{searched}/{r['id']}") for r in rows]
    sql = f"""SELECT {RETURNED} FROM fhir."{include.source.lower()}" t
    WHERE NOT t.deleted AND t.tokens && $1::text[] ORDER BY t.id LIMIT $2"""
    return [from_record(r, include.source) for r in await connection.fetch(sql, keys, MAX_INCLUDED + 1)]
