"""How often somebody tried a name: from the fifth failure on it is locked, each time twice as long, for every replica.

Names that nobody has are counted alike, so that a lock tells nothing. https://pages.nist.gov/800-63-4/sp800-63b.html#throttle
"""

import hashlib
from datetime import timedelta
from typing import Final

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.access import run
from gateway.registry.tables import attempt
from services.kit.clock import Clock

FREE: Final = 4
LOCK_SECONDS: Final = 30
MAX_LOCK_SECONDS: Final = 3600
FORGOTTEN: Final = timedelta(hours=24)


class Attempts:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def begin(self, name: str) -> float:
        """Count an attempt as failed before it is looked at; return 0, or for how many seconds the name is locked.

        Counted first, so that guesses sent at the same moment cannot all be tried before one of them is known to be wrong.
        """
        now, key = self._clock.now(), _key(name)
        first = {"name": key, "failures": 1, "failed_at": now, "locked_until": now}
        failures = case((attempt.c.failed_at < now - FORGOTTEN, 1), else_=attempt.c.failures + 1)
        doubled = func.least(MAX_LOCK_SECONDS, LOCK_SECONDS * func.power(2, func.least(failures - FREE - 1, 10)))
        seconds = case((failures <= FREE, 0), else_=doubled)
        counted = insert(attempt).values(first)
        counted = counted.on_conflict_do_update(
            index_elements=[attempt.c.name],
            set_={
                "failures": failures,
                "failed_at": now,
                "locked_until": now + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
            },
            where=attempt.c.locked_until <= now,
        )
        sweep = delete(attempt).where(attempt.c.failed_at < now - FORGOTTEN, attempt.c.name != key)
        _, begun, known = await run(
            self._engine,
            sweep,
            counted.returning(attempt.c.name),
            select(attempt.c.locked_until).where(attempt.c.name == key),
        )
        return 0 if begun else max(1.0, (known[0].locked_until - now).total_seconds())

    async def forget(self, name: str) -> None:
        """The person got in, or an administrator opened the lock."""
        await run(self._engine, delete(attempt).where(attempt.c.name == _key(name)))


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
