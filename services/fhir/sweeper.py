"""Forgets what has had its time: answers under Idempotency-Keys, places whose holders let them expire (docs/adr/0026, docs/adr/0035)."""

from datetime import timedelta
from typing import Final

from services.fhir.store import holds, idempotency
from services.kit.background import keep_at
from services.kit.clock import Clock
from services.kit.database import Database

PAUSE_SECONDS: Final = 600.0
_EXPIRED: Final = timedelta(days=1)


class Sweeper:
    """One per process; `sweep` may run anywhere, any number of times."""

    def __init__(self, database: Database, clock: Clock, keep: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep

    async def forever(self) -> None:
        await keep_at(self.sweep, PAUSE_SECONDS, "sweep.failed")

    async def sweep(self) -> None:
        now = self._clock.now()
        async with self._database.connection() as connection:
            await idempotency.forget(connection, now - self._keep)
            await holds.forget(connection, now - _EXPIRED)
