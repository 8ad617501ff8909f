"""How often a client, or a person, may ask: one bucket for all replicas, of which each process holds a share (RFC 6585).

Within a share nothing is asked of anybody: 0.2 µs a request. https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

import asyncio
import math
import time
from typing import Final

import msgspec

from gateway.registry import Rates
from gateway.session import Session
from gateway.settings import GatewaySettings
from services.fhir.outcomes import FhirError, Issue
from services.kit.logging import log

MAX_SHARES: Final = 10_000
SHARES_PER_SECOND: Final = 4


def too_many(seconds: float) -> FhirError:
    retry = {"Retry-After": str(max(1, math.ceil(seconds)))}
    issue = Issue("error", "throttled", "Too many requests; Retry-After tells when", "请求过于频繁，请稍后重试")
    return FhirError(429, (issue,), retry)


class _Share(msgspec.Struct):
    """How many requests this process may still let through, and until when it need not ask for more."""

    left: int = 0
    empty_until: float = 0.0
    asking: "asyncio.Task[None] | None" = None


class RateLimit:
    """`burst` is one second's worth, so a process that was idle holds no more than a quarter of that."""

    def __init__(self, rates: Rates, settings: GatewaySettings) -> None:
        self._rates = rates
        self._per_client = settings.rate_per_second
        self._per_person = settings.person_rate_per_second
        self._shares: dict[str, _Share] = {}

    async def check_session(self, session: Session) -> None:
        """Count one request of a session; raise 429 when its client, or its person, has had enough for now."""
        key = session.account or session.client
        share = self._shares.get(key)
        if share is not None and share.left > 0:
            share.left -= 1
            return
        await self.check(key, (session.account and self._per_person) or session.rate or self._per_client)

    async def check(self, key: str, per_second: int) -> None:
        """Count one request under a key, of which there may be so many a second."""
        share = self._shares.get(key) or self._new(key)
        while share.left <= 0:
            if (wait := share.empty_until - time.monotonic()) > 0:
                log("rate.refused", client=key)
                raise too_many(wait)
            if share.asking is None:
                share.asking = asyncio.create_task(self._ask(key, share, per_second))
            await asyncio.shield(share.asking)
        share.left -= 1

    async def _ask(self, key: str, share: _Share, per_second: int) -> None:
        try:
            given, left = await self._rates.take(key, per_second, per_second, max(1, per_second // SHARES_PER_SECOND))
        finally:
            share.asking = None
        share.left += given
        if given == 0:
            share.empty_until = time.monotonic() + (1 - left) / per_second

    def _new(self, key: str) -> _Share:
        if len(self._shares) >= MAX_SHARES:
            del self._shares[next(iter(self._shares))]
        share = self._shares[key] = _Share()
        return share
