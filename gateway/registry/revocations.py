"""Revocations: which tokens are void before they expire, known to every replica within five seconds (RFC 7009).

https://www.rfc-editor.org/rfc/rfc7009
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, Table, delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.access import run
from gateway.registry.tables import account, client, revoked_token, signing_key
from gateway.session import Session
from services.kit.clock import Clock

REFRESH_SECONDS = 1.5
MAX_AGE_SECONDS = 5.0
_ACCOUNT = "account:"  # no client id holds a colon


class _View(msgspec.Struct, frozen=True):
    """Small: only what was disabled, revoked or retired, not what is good. Accounts by `account:` and id."""

    disabled: frozenset[str] = frozenset()
    tokens_after: Mapping[str, float] = {}
    revoked: frozenset[str] = frozenset()
    retired_keys: frozenset[str] = frozenset()

    def holds(self, session: Session) -> bool:
        return (
            session.client in self.disabled
            or session.jti in self.revoked
            or session.issued_at <= self.tokens_after.get(session.client, 0.0)
            or session.kid in self.retired_keys
            or (bool(session.account) and self._holds_person(session))
        )

    def _holds_person(self, session: Session) -> bool:
        who = _ACCOUNT + session.account
        return (
            who in self.disabled
            or session.family in self.revoked
            or session.issued_at <= self.tokens_after.get(who, 0.0)
        )


class Revocations:
    """A view that is asked at each request and reloaded beside the requests; too old, it answers nothing."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._view = _View()
        self._loaded = -MAX_AGE_SECONDS
        self._loading: asyncio.Task[None] | None = None

    async def is_void(self, session: Session) -> bool:
        """Tell whether a token is void; DatabaseUnavailable when that has not been known for five seconds."""
        age = time.monotonic() - self._loaded
        if age > REFRESH_SECONDS:
            await self._renew(age)
        return self._view.holds(session)

    async def revoke(self, jti: str, expires: float) -> None:
        """Make a token void, or by their family all tokens that followed from a login, until they expire anyway."""
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
        clients, accounts, tokens, keys = await run(
            self._engine,
            _changed(client, client.c.client_id),
            _changed(account, _ACCOUNT + account.c.id),
            select(revoked_token.c.jti).where(revoked_token.c.expires_at >= self._clock.now()),
            select(signing_key.c.public_jwk["kid"].astext.label("kid")).where(signing_key.c.retired_at.is_not(None)),
        )
        holders = (*clients, *accounts)
        self._view = _View(
            frozenset(row.id for row in holders if row.is_disabled),
            {row.id: row.tokens_after.timestamp() for row in holders if row.tokens_after},
            frozenset(row.jti for row in tokens),
            frozenset(row.kid for row in keys),
        )
        self._loaded = started


def _changed(table: Table, identifier: ColumnElement[str]) -> Select[Any]:
    columns = (identifier.label("id"), table.c.is_disabled, table.c.tokens_after)
    return select(*columns).where(or_(table.c.is_disabled, table.c.tokens_after.is_not(None)))
