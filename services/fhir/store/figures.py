"""Counts over all resources of a type, institution by institution, straight from the tables: http://hl7.org/fhir/R4/measure.html

What is counted is said by searches, which become the same SQL as they do for a client; the body of a resource is looked at only for what no
search asks: when a Task first reached a state, who read of a patient, when a version was written. One measure is one statement, and so of
one snapshot (docs/adr/0038).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from services.fhir.access.access import SYSTEM
from services.fhir.search.query import SearchQuery, types_in
from services.fhir.store.query import Rows, Sql, where
from services.fhir.store.statement import table
from services.fhir.store.tables import timeline_column

AUTHOR: Final = "author"
ITSELF: Final = "_id"
FIRST_OWNER: Final = "first-owner"
_CLOCK: Final = "https://yiyang.example/fhir/StructureDefinition/referral-clock"
_READS: Final = ("read", "vread", "search-type", "history-instance", "everything", "score")
# A statement of its own each time: its plan must know the values, and its sorts stay in memory.
_SETTINGS: Final = (
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true), "
    "set_config('work_mem', '128MB', true)"
)


class Reached(msgspec.Struct, frozen=True):
    """A Task that came to one of these business states, within so many minutes of when it was sent where they are said."""

    states: tuple[str, ...]
    minutes: int | None = None


class Tally(msgspec.Struct, frozen=True):
    """What is counted: what any of the searches finds, for the institution that `by` names.

    `by` is a reference parameter of the type, `_id` for an Organization itself, `author` for who made it, `first-owner` for who had a Task before it went
    to anybody else. `of` says whether resources are
    counted or the patients whom they are about. `total` adds up instead of counting: the days of the period on which a resource was there
    (all of them, where its type has no date), or the minutes until its state was reached.
    """

    queries: tuple[SearchQuery, ...]
    by: str
    of: Literal["resources", "patients"] = "resources"
    total: Literal["days", "minutes"] | None = None
    reached: Reached | None = None
    read_elsewhere: tuple[str, ...] = ()
    within_hours: int | None = None

    @property
    def type(self) -> str:
        return self.queries[0].type

    @property
    def is_once(self) -> bool:
        return self.by in (AUTHOR, ITSELF, FIRST_OWNER)

    @property
    def is_of_the_row(self) -> bool:
        """Counted by the row alone: nothing else is looked up, which is better joined than asked of each row."""
        is_plain = self.of == "resources" and not (self.total or self.reached or self.read_elsewhere)
        return self.by == AUTHOR and is_plain and not any(types_in(query) for query in self.queries)


class Span(msgspec.Struct, frozen=True):
    """From one instant to before another one."""

    start: datetime
    end: datetime


async def figures(
    connection: Any, tallies: Mapping[str, Tally], parts: Mapping[str, str], span: Span
) -> dict[str, dict[str, int]]:
    """By the name of a tally and the institution, how many; `parts` are departments and institutions → their institution."""
    sql = Sql(SYSTEM)
    different = [*dict.fromkeys(tallies.values())]
    texts = [*_texts(different, parts, span, sql)]
    found: list[dict[str, int]] = [{} for _ in different]
    async with connection.transaction():
        await connection.execute(_SETTINGS)
        records = await connection.fetch(" UNION ALL ".join(texts), *sql.values)
    for record in records:
        found[record["tally"]][record["root"]] = int(record["number"])
    return {name: found[different.index(tally)] for name, tally in tallies.items()}


def _texts(tallies: Sequence[Tally], parts: Mapping[str, str], span: Span, sql: Sql) -> Iterator[str]:
    """One for each tally, but those that look at the same rows and nothing else are counted as the table is read through once."""
    together: dict[str, list[int]] = {}
    for number, tally in enumerate(tallies):
        if tally.is_of_the_row:
            together.setdefault(tally.type, []).append(number)
        else:
            yield _counted(number, tally, parts, span, sql)
    for numbers in together.values():
        yield _counted_at_once({number: tallies[number] for number in numbers}, parts, span, sql)


def _counted_at_once(tallies: Mapping[int, Tally], parts: Mapping[str, str], span: Span, sql: Sql) -> str:
    first = next(iter(tallies.values()))
    counts = ", ".join(
        f"count(*) FILTER (WHERE {_conditions(tally, span, sql)}) AS n{number}" for number, tally in tallies.items()
    )
    rows = ", ".join(f"({number}, s.n{number})" for number in tallies)
    return (
        f"SELECT v.tally, s.root, v.number::numeric FROM (SELECT m.root, {counts} FROM {table(first.type)} t "
        f"{_joined(first.by, _named(parts, sql), sql)} GROUP BY m.root) s CROSS JOIN LATERAL (VALUES {rows}) v (tally, number)"
    )


def _counted(number: int, tally: Tally, parts: Mapping[str, str], span: Span, sql: Sql) -> str:
    # of one institution's parts a resource may name two; it has one author, and is itself once
    each = "" if tally.is_once else "DISTINCT "
    return (
        f"SELECT {number} AS tally, c.root, {_number(tally)}::numeric AS number FROM (SELECT {each}m.root, t.id, "
        f"t.patient, {_amount(tally, span, sql)} AS amount FROM {table(tally.type)} t {_joined(tally.by, _named(parts, sql), sql)} "
        f"WHERE {_conditions(tally, span, sql)}) c GROUP BY c.root"
    )


def _named(parts: Mapping[str, str], sql: Sql) -> str:
    ids, roots = (sql.once(f"figures.{n}", [*each], "text[]") for n, each in enumerate((parts, parts.values())))
    return f"(SELECT * FROM unnest({ids}, {roots}) AS m (part, root)) m"


def _conditions(tally: Tally, span: Span, sql: Sql) -> str:
    found = " OR ".join(_found(tally.queries, Rows("t", tally.type), sql))
    return " AND ".join([f"({found})", *_more(tally, span, sql)])


def _found(queries: Sequence[SearchQuery], rows: Rows, sql: Sql) -> Iterator[str]:
    return (f"({' AND '.join(where(query.type, query.conditions, rows, sql))})" for query in queries)


def _joined(by: str, named: str, sql: Sql) -> str:
    if by == ITSELF:
        return f"JOIN {named} ON m.part = t.id"
    if by == AUTHOR:
        return f"JOIN {named} ON m.part = t.author"
    if by == FIRST_OWNER:
        return f"JOIN {named} ON 'Organization/' || m.part = (({_FIRST_VERSION})::jsonb #>> '{{owner,reference}}')"
    start = sql.once(f"figures.{by}", f"{by}=Organization/", "text")
    # of all keys of a row only these are joined: a hash of all of them does not fit into memory
    named_by = f"SELECT substr(k, length({start}) + 1) AS part FROM unnest(t.tokens) k WHERE starts_with(k, {start})"
    return f"CROSS JOIN LATERAL ({named_by}) o JOIN {named} ON m.part = o.part"


def _number(tally: Tally) -> str:
    if tally.total is not None:
        return "coalesce(round(sum(c.amount)), 0)"
    return "count(DISTINCT c.patient)" if tally.of == "patients" else "count(*)"


def _amount(tally: Tally, span: Span, sql: Sql) -> str:
    if tally.total is None:
        return "0"
    if tally.total == "minutes" and tally.reached is not None:
        return f"extract(epoch FROM {_first(tally.reached, sql)} - {_SENT}) / 60"
    start, end = sql.bind(span.start, "timestamptz"), sql.bind(span.end, "timestamptz")
    lo, hi = _bounds(tally.type)
    inside = f"least(coalesce({hi}, {end}), {end}) - greatest(coalesce({lo}, {start}), {start})"
    return f"greatest(0, ceil(extract(epoch FROM {inside}) / 86400))"


def _bounds(resource_type: str) -> tuple[str, str]:
    try:
        column = timeline_column(resource_type)
    except IndexError:  # a type without a date
        return "NULL::timestamptz", "NULL::timestamptz"
    return f't."{column}_lo"', f't."{column}_hi"'


def _more(tally: Tally, span: Span, sql: Sql) -> Iterator[str]:
    if tally.reached is not None:
        first = _first(tally.reached, sql)
        within = tally.reached.minutes
        limit = (
            f" <= {_SENT} + make_interval(mins => {sql.bind(within, 'int')})" if within is not None else " IS NOT NULL"
        )
        yield f"{first}{limit}"
    if tally.read_elsewhere:
        yield _read_elsewhere(tally.read_elsewhere, span, sql)
    if tally.within_hours is not None:
        hours = f"make_interval(hours => {sql.bind(tally.within_hours, 'int')})"
        yield f"{_written(tally.type, sql)} <= coalesce({_bounds(tally.type)[1]}, {_bounds(tally.type)[0]}) + {hours}"


_FIRST_VERSION: Final = (
    "CASE WHEN t.version = 1 THEN t.body ELSE (SELECT h.body FROM fhir.history h "
    "WHERE h.type = 'Task' AND h.id = t.id AND h.shard = t.shard AND h.version = 1) END"
)
# When the server says that the referral was sent.
_SENT: Final = (
    f"""coalesce((jsonb_path_query_first(t.body::jsonb, '$.extension[*] ? (@.url == "{_CLOCK}").extension[*] """
    """? (@.url == "submitted").valueInstant') #>> '{}')::timestamptz, t.authored_on_lo)"""
)


def _first(reached: Reached, sql: Sql) -> str:
    """When a version first had one of the states."""
    states = sql.bind(list(reached.states), "text[]")
    past = "SELECT h.updated, h.body FROM fhir.history h WHERE h.type = 'Task' AND h.id = t.id AND h.shard = t.shard"
    code = "jsonb_array_elements(v.body::jsonb #> '{businessStatus,coding}') c"
    return (
        f"(SELECT min(v.updated) FROM ({past} UNION ALL SELECT t.updated, t.body) v "
        f"WHERE v.body IS NOT NULL AND EXISTS (SELECT FROM {code} WHERE c ->> 'code' = ANY({states})))"
    )


def _read_elsewhere(types: Sequence[str], span: Span, sql: Sql) -> str:
    """Another institution has read of the patient resources of these types."""
    start, end = sql.bind(span.start, "timestamptz"), sql.bind(span.end, "timestamptz")
    kinds, reads = sql.bind(list(types), "text[]"), sql.bind(list(_READS), "text[]")
    other = (
        f"a.type = ANY({kinds}) AND a.interaction = ANY({reads}) AND a.status BETWEEN 200 AND 299 AND a.at >= {start} AND a.at < {end} "
        "AND a.organization IS NOT NULL AND a.organization <> m.root"
    )
    ways = ("a.patient = t.patient", "a.patients @> ARRAY[t.patient]")
    return "(" + " OR ".join(f"EXISTS (SELECT FROM fhir.audit a WHERE {way} AND {other})" for way in ways) + ")"


def _written(resource_type: str, sql: Sql) -> str:
    """When the first version was written."""
    kind = sql.bind(resource_type, "text")
    first = f"SELECT h.updated FROM fhir.history h WHERE h.type = {kind} AND h.id = t.id AND h.shard = t.shard AND h.version = 1"
    return f"CASE WHEN t.version = 1 THEN t.updated ELSE ({first}) END"
