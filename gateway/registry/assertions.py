"""Claimed assertions: each jti of an issuer is taken once, by whichever replica comes first (RFC 7523 §3, item 7).

https://www.rfc-editor.org/rfc/rfc7523#section-3
"""

from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.access import run
from gateway.registry.tables import jti as claimed
from services.kit.clock import Clock

_SWEPT = 20  # each claim clears away up to so many that nobody can use again


class Assertions:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def claim(self, iss: str, jti: str, expires: float) -> bool:
        """Take the jti until it expires; False when it was taken before. DatabaseUnavailable is no answer at all."""
        values = {"iss": iss, "jti": jti, "expires_at": datetime.fromtimestamp(expires, UTC)}
        expired = select(claimed.c.jti).where(claimed.c.iss == iss, claimed.c.expires_at < self._clock.now())
        swept = expired.limit(_SWEPT).with_for_update(skip_locked=True)
        sweep = delete(claimed).where(claimed.c.iss == iss, claimed.c.jti.in_(swept))
        take = insert(claimed).values(values).on_conflict_do_nothing().returning(claimed.c.jti)
        _, taken = await run(self._engine, sweep, take)
        return bool(taken)
