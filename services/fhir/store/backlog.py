"""How much work waits in the tables, for who watches over the house: readers of the outbox behind it, bulk jobs, timers that are due."""

from collections.abc import Iterable
from typing import Any, Final

from services.kit.database import Database
from services.kit.metrics import Gauge, Source

# By the index of `written`: the first change behind a reader's place is what it has kept waiting longest.
_LAG: Final = """SELECT r.name, coalesce(extract(epoch FROM statement_timestamp() - (
    SELECT c.written FROM fhir.change c WHERE c.written >= r.written AND (c.written, c.type, c.id, c.version) > (r.written, r.type, r.id, r.version)
    ORDER BY c.written LIMIT 1)), 0)::float8 AS value FROM fhir.outbox_reader r"""
_JOBS: Final = "SELECT kind || ' ' || state AS name, count(*)::float8 AS value FROM fhir.job GROUP BY kind, state"
_TIMERS: Final = "SELECT service AS name, count(*)::float8 AS value FROM fhir.timer WHERE ready <= statement_timestamp() GROUP BY service"
_ASKED: Final = (
    (
        "yiyang_outbox_lag_seconds",
        "How long the oldest change waits that a reader of the outbox has not read",
        "reader",
        _LAG,
    ),
    ("yiyang_jobs", "Bulk jobs that are kept, by kind and state", "job", _JOBS),
    ("yiyang_timers_due", "Timers that are due and not done", "owner", _TIMERS),
)


def backlog_of(database: Database) -> Source:
    async def source() -> Iterable[Gauge]:
        async with database.connection() as connection:
            return [Gauge(name, about, label, await _values(connection, sql)) for name, about, label, sql in _ASKED]

    return source


async def _values(connection: Any, sql: str) -> dict[str, float]:
    return {record["name"]: record["value"] for record in await connection.fetch(sql)}
