"""Revocations: which tokens are void before they expire, known to every replica within five seconds (RFC 7009).

https://www.rfc-editor.org/rfc/rfc7009
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.access import run
from gateway.registry.tables import client, revoked_token
from services.kit.clock import Clock

REFRESH_SECONDS = 1.5
MAX_AGE_SECONDS = 5.0


class _View(msgspec.Struct, frozen=True):
    """Small: only what was disabled or revoked, not what is good."""

    disabled: frozenset[str] = frozenset()
    tokens_after: Mapping[str, float] = {}
    revoked: frozenset[str] = frozenset()


class Revocations:
    """A view that is asked at each request and reloaded beside the requests; too old, it answers nothing."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._view = _View()
        self._loaded = -MAX_AGE_SECONDS
        self._loading: asyncio.Task[None] | None = None

    async def is_void(self, client_id: str, jti: str, issued_at: float) -> bool:
        """Tell whether a token is void; DatabaseUnavailable when that has not been known for five seconds."""
        age = time.monotonic() - self._loaded
        if age > REFRESH_SECONDS:
            await self._renew(age)
        view = self._view
        return client_id in view.disabled or jti in view.revoked or issued_at <= view.tokens_after.get(client_id, 0.0)

    async def revoke(self, jti: str, expires: float) -> None:
        values = {"jti": jti, "expires_at": datetime.fromtimestamp(expires, UTC)}
        await run(
            self._engine,
            delete(revoked_token).where(revoked_token.c.expires_at < self._clock.now()),
            insert(revoked_token).values(values).on_conflict_do_nothing(),
        )

    async def _renew(self, age: float) -> None:
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(self._finished)
        if age > MAX_AGE_SECONDS:
            await asyncio.shield(self._loading)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # told to those who wait; the others are told when the view has grown too old

    async def _load(self) -> None:
        started = time.monotonic()
        clients, tokens = await run(
            self._engine,
            select(client.c.client_id, client.c.is_disabled, client.c.tokens_after).where(
                or_(client.c.is_disabled, client.c.tokens_after.is_not(None))
            ),
            select(revoked_token.c.jti).where(revoked_token.c.expires_at >= self._clock.now()),
        )
        self._view = _View(
            frozenset(row.client_id for row in clients if row.is_disabled),
            {row.client_id: row.tokens_after.timestamp() for row in clients if row.tokens_after},
            frozenset(row.jti for row in tokens),
        )
        self._loaded = started
