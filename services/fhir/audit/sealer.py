"""Chains the audit rows within a second, off the hot path; any number of processes may try, one block comes of it (docs/adr/0016)."""

from typing import Final

from services.fhir.audit.chain import Block, Sealing, block_of
from services.fhir.store import audit_chain
from services.kit.background import keep_at
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.logging import log

PAUSE_SECONDS: Final = 0.5
TELL_SECONDS: Final = 60.0


class Sealer:
    """One per process. The head is told to the log each minute: kept elsewhere, it shows a chain whose end was cut off."""

    def __init__(self, database: Database, by: Sealing, clock: Clock) -> None:
        self._database = database
        self._by = by
        self._clock = clock
        self._told = 0.0

    async def forever(self) -> None:
        await keep_at(self._work, PAUSE_SECONDS, "audit.unsealed")

    async def _work(self) -> bool:
        """Whether more may wait than one block holds."""
        sealed = await self.seal()
        if sealed is not None:
            self._tell(sealed)
        return sealed is not None and len(sealed.events) >= audit_chain.MOST

    async def seal(self) -> Block | None:
        """One block of what waits; None where nothing waits or another process is at it."""
        async with self._database.connection() as connection:
            try:
                async with connection.transaction():
                    if not await audit_chain.is_my_turn(connection):
                        return None
                    before = await audit_chain.head(connection)
                    now = self._clock.now()
                    rows, reached = await audit_chain.unsealed(connection, before, now)
                    if not rows:
                        return None
                    block = block_of(rows, before, now, reached, self._by)
                    await audit_chain.append(connection, block)
            except audit_chain.AnotherSealedError:
                return None
        return block

    def _tell(self, block: Block) -> None:
        now = self._clock.seconds()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            log("audit.sealed", count=block.number, code=block.hash.hex())
