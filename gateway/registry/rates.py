"""The token buckets that all replicas share: a replica takes a share, spends it by itself, and comes for the next.

https://en.wikipedia.org/wiki/Token_bucket
"""

from sqlalchemy import Double, cast, extract, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.access import run
from gateway.registry.tables import rate


class Rates:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take(self, key: str, per_second: int, burst: int, share: int) -> tuple[int, float]:
        """Take up to `share` requests out of the bucket; return how many, and what is left. The clock is the database's."""
        now = func.clock_timestamp()
        seconds = func.greatest(0, extract("epoch", now - rate.c.at))
        filled = func.least(burst, rate.c.tokens + per_second * cast(seconds, Double))
        given = func.least(share, func.floor(filled))
        first = {"key": key, "tokens": burst - share, "given": share, "at": now}
        statement = insert(rate).values(first)
        statement = statement.on_conflict_do_update(
            index_elements=[rate.c.key], set_={"tokens": filled - given, "given": given, "at": now}
        )
        [[row]] = await run(self._engine, statement.returning(rate.c.given, rate.c.tokens))
        return row.given, row.tokens
