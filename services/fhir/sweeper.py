"""Forgets what has had its time: answers under Idempotency-Keys, places whose holders let them expire, HL7 v2 messages (docs/adr/0026, docs/adr/0035, docs/adr/0043)."""

from datetime import timedelta
from typing import Final

from services.fhir.store import holds, idempotency, v2_messages
from services.kit.background import keep_at
from services.kit.clock import Clock
from services.kit.database import Database

PAUSE_SECONDS: Final = 600.0
_EXPIRED: Final = timedelta(days=1)


class Sweeper:
    """One per process; `sweep` may run anywhere, any number of times. `keep_messages` where the service owns them."""

    def __init__(
        self, database: Database, clock: Clock, keep: timedelta, keep_messages: timedelta | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep
        self._keep_messages = keep_messages

    async def forever(self) -> None:
        await keep_at(self.sweep, PAUSE_SECONDS, "sweep.failed")

    async def sweep(self) -> None:
        now = self._clock.now()
        async with self._database.connection() as connection:
            await idempotency.forget(connection, now - self._keep)
            await holds.forget(connection, now - _EXPIRED)
            if self._keep_messages is not None:
                await v2_messages.forget(connection, now - self._keep_messages)
