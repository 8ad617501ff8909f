"""Pages of one patient that meet leave together: searches of the same form by the same caller as one statement (docs/adr/0023).

Only a search that is bound to a patient gathers: it walks that patient's own index, so none waits long for another. The statement of one becomes
the inside of a LATERAL join over the values of all; its plan is the same, and what starting it costs is paid once.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.store.gathering import Gathering
from services.fhir.store.literals import array_literal
from services.fhir.store.query import Statement
from services.fhir.store.together import whenever
from services.kit.database import Database

MOST: Final = 64
_VALUE: Final = re.compile(r"\$(\d+)::(\w+(?:\[\])?)")
_LIST: Final = "text[]"  # lists travel as literals: arrays of arrays do not exist in SQL

Records = Sequence[Any]


class _Kind(msgspec.Struct, frozen=True):
    sql: str
    access: Access


def may_gather(statement: Statement) -> bool:
    return _is_joinable(statement.sql)


@lru_cache(maxsize=1024)
def _is_joinable(sql: str) -> bool:
    return all(kind == _LIST or not kind.endswith("[]") for kind in _kinds(sql).values())


class SearchesTogether:
    """One per process. `DatabaseUnavailable` when the database is away."""

    def __init__(self, database: Database, seconds: float) -> None:
        """`seconds` is how long a statement may take before it is broken off."""
        self._database = database
        self._seconds = seconds
        self._gathering: Gathering[_Kind, Statement, Records] = Gathering(self._answer, MOST)

    async def fetch(self, statement: Statement, access: Access) -> Records:
        """What the statement gives by itself."""
        return await self._gathering.ask(_Kind(statement.sql, whenever(access)), statement)

    async def _answer(self, _kind: _Kind, statements: Sequence[Statement]) -> list[Records]:
        async with asyncio.timeout(self._seconds), self._database.connection() as connection:
            return await _fetch(connection, statements)


async def _fetch(connection: Any, statements: Sequence[Statement]) -> list[Records]:
    """Of each, at the time of the last one who asked."""
    last = statements[-1]
    if len(statements) == 1:
        return [await connection.fetch(last.sql, *last.values)]
    sql, own, shared = _joined(last.sql, last.shared)
    kinds = _kinds(last.sql)
    columns = [[_sent(s.values[n - 1], kinds[n]) for s in statements] for n in own]
    found: list[list[Any]] = [[] for _ in statements]
    for record in await connection.fetch(sql, *columns, *(last.values[n - 1] for n in shared)):
        found[record["place"] - 1].append(record)
    return [*found]


def _sent(value: Any, kind: str) -> Any:
    return array_literal(value) if kind == _LIST else value


@lru_cache(maxsize=1024)
def _kinds(sql: str) -> dict[int, str]:
    return {int(found[1]): found[2] for found in _VALUE.finditer(sql)}


@lru_cache(maxsize=1024)
def _joined(sql: str, shared: frozenset[int]) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """The statement of many, the numbers of the values that each has of its own, and of those that all share.

    What refers to another side of a join can only be a nested loop, so the rows of one search come in its own order.
    """
    kinds = _kinds(sql)
    own = [n for n in sorted(kinds) if n not in shared]
    common = sorted(shared & kinds.keys())
    place = {n: f"${len(own) + i}" for i, n in enumerate(common, 1)}

    def value(found: re.Match[str]) -> str:
        n = int(found[1])
        return f"{place.get(n, f'q.v{n}')}::{found[2]}"

    arrays = ", ".join(f"${i}::{'text' if kinds[n] == _LIST else kinds[n]}[]" for i, n in enumerate(own, 1))
    names = ", ".join(f"v{n}" for n in own)
    inside = _VALUE.sub(value, sql)
    text = f"SELECT q.place, x.* FROM unnest({arrays}) WITH ORDINALITY AS q ({names}, place) CROSS JOIN LATERAL ({inside}) x"
    return text, tuple(own), tuple(common)
