"""Versions newest first, of one resource, one type or all: http://hl7.org/fhir/R4/http.html#history

The order of a type or of the system comes from `fhir.change`, one narrow row per version; bodies are then fetched for the page alone.
A version's `at` is when it was prepared, and it may commit later than others of a later `at`. So `_since` also finds what was *written*
since, and a first page waits for the commits under way: whoever asks again from the instant of a page misses nothing (docs/adr/0013).
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.outcomes import unavailable
from services.fhir.scopes import READ, SEARCH
from services.fhir.store.access import visible
from services.fhir.store.outbox import settled
from services.fhir.store.read import admits, versions
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.statement import Sql, Subject

_VERSION: Final = "id, shard, version, updated, method, body, patient"
_SEEN_BY: Final = "author, patients, labels"
_PAUSES: Final = 400
_AT_ONCE: Final = 200


class HistoryQuery(msgspec.Struct, frozen=True):
    """`type` and `id` narrow, as do `since` and the range [lo, hi) of `at`; `after` continues behind (instant, type, id, version)."""

    types: tuple[str, ...]
    id: str | None
    count: int
    since: datetime | None = None
    at: tuple[datetime, datetime] | None = None
    after: tuple[datetime, str, str, int] | None = None


class Versions(msgspec.Struct, frozen=True):
    """At most `count + 1` versions, so that the caller sees whether more follow; `until` is the instant to ask from next time."""

    found: list[Stored]
    until: datetime


async def history(connection: Any, query: HistoryQuery, access: Access) -> Versions:
    until = await _settled(connection, is_first=query.after is None)
    found = await _page(connection, query, access)
    return Versions(found if access.limits is None else await _granted(connection, query, found, access), until)


async def _page(connection: Any, query: HistoryQuery, access: Access) -> list[Stored]:
    if query.id is not None:
        return await _of_instance(connection, query.types[0], query.id, query, access)
    return await _with_bodies(connection, await _changes(connection, query, access))


async def _granted(connection: Any, query: HistoryQuery, found: list[Stored], access: Access) -> list[Stored]:
    """A page of those versions that the scopes grant by what they say themselves, however many lie between (docs/adr/0049)."""
    letter = SEARCH if query.id is None else READ
    further = msgspec.structs.replace(query, count=max(query.count, _AT_ONCE))
    kept, more = [each for each in found if admits(access, letter, each)], len(found) > query.count > 0
    while more and len(kept) <= query.count:
        last = found[-1]
        behind = msgspec.structs.replace(further, after=(last.updated, last.type, last.id, last.version))
        found = await _page(connection, behind, access)
        kept, more = kept + [each for each in found if admits(access, letter, each)], len(found) > further.count
    return kept[: query.count + 1]


async def _settled(connection: Any, *, is_first: bool) -> datetime:
    until = await settled(connection, _PAUSES if is_first else 0)
    if until is None:
        raise unavailable("A long commit is under way; retry", headers={"Retry-After": "1"})
    return until


async def _of_instance(
    connection: Any, resource_type: str, resource_id: str, query: HistoryQuery, access: Access
) -> list[Stored]:
    before = query.after[3] if query.after else None
    lo, hi = query.at or (None, None)
    sql = Sql(access)
    for value in (resource_id, resource_type, query.since, before, lo, hi, query.count + 1):
        sql.values.append(value)
    text = f"""SELECT * FROM (
      SELECT {_VERSION}, {_SEEN_BY}, NULL::timestamptz AS replaced FROM fhir."{resource_type.lower()}" WHERE id = $1
      UNION ALL SELECT {_VERSION}, {_SEEN_BY}, replaced FROM fhir.history WHERE type = $2 AND id = $1) v
    WHERE {visible(Subject("v", resource_type, is_alone=True, is_past=True), sql)} AND ($3::timestamptz IS NULL OR updated >= $3 OR (updated >= $3 - interval '1 minute' AND EXISTS (
        SELECT FROM fhir.change c WHERE (c.type, c.at, c.id, c.version) = ($2, v.updated, v.id, v.version) AND c.written >= $3)))
      AND ($4::bigint IS NULL OR version < $4)
      AND ($5::timestamptz IS NULL OR (
        updated < $6::timestamptz AND coalesce(replaced > $5, true) AND (method <> 'DELETE' OR updated >= $5)))
    ORDER BY version DESC LIMIT $7"""
    return [from_record(r, resource_type) for r in await connection.fetch(text, *sql.values)]


class _Conditions:
    """Conditions on `fhir.change c` and the values behind their `$n`."""

    def __init__(self, access: Access) -> None:
        sql = Sql(access, SEARCH)
        self._texts = [visible(Subject("c", None, is_past=True), sql)]
        self.values = sql.values

    def add(self, text: str, *values: Any) -> None:
        """`{0}`, `{1}`, … in the text stand for the values."""
        first = len(self.values) + 1
        self.values.extend(values)
        self._texts.append(text.format(*(f"${n}" for n in range(first, first + len(values)))))

    def __str__(self) -> str:
        return " AND ".join(self._texts)


async def _changes(connection: Any, query: HistoryQuery, access: Access) -> list[Any]:
    where = _Conditions(access)
    if len(query.types) == 1:
        where.add("c.type = {0}", query.types[0])
    if query.since is not None:
        where.add("c.at >= {0}::timestamptz - interval '1 minute' AND (c.at >= {0} OR c.written >= {0})", query.since)
    if query.at is not None:
        where.add("c.at < {1}::timestamptz AND (c.method <> 'DELETE' OR c.at >= {0}::timestamptz)", *query.at)
        where.add(
            "NOT EXISTS (SELECT FROM fhir.history h "
            "WHERE (h.type, h.id, h.version) = (c.type, c.id, c.version) AND h.replaced <= {0})",
            query.at[0],
        )
    if query.after is not None:
        where.add("(c.at, c.type, c.id, c.version) < ({0}, {1}, {2}, {3})", *query.after)
    sql = f"""SELECT type, id, version FROM fhir.change c WHERE {where}
    ORDER BY at DESC, type DESC, id DESC, version DESC LIMIT {query.count + 1}"""
    return list(await connection.fetch(sql, *where.values))


async def _with_bodies(connection: Any, changes: list[Any]) -> list[Stored]:
    keys = [(c["type"], c["id"], c["version"]) for c in changes]
    found = await versions(connection, keys)
    return [found[key] for key in keys if key in found]
