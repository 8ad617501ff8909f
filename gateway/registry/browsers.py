"""Where a person is logged in: the server knows it, the browser holds a random cookie whose SHA-256 stands here.

https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.access import as_struct, run
from gateway.registry.tables import browser
from services.kit.clock import Clock


class Browser(msgspec.Struct, frozen=True):
    """A login at one browser. `methods` as in RFC 8176: pwd, otp."""

    id: str
    account: str
    methods: tuple[str, ...]
    began_at: datetime
    expires_at: datetime


class Browsers:
    def __init__(self, engine: AsyncEngine, clock: Clock, life: timedelta, idle: timedelta) -> None:
        self._engine = engine
        self._clock = clock
        self._life = life
        self._idle = idle

    async def open(self, account_id: str, methods: Sequence[str]) -> tuple[str, Browser]:
        """Remember a login; return the value of its cookie and the login."""
        cookie, now = secrets.token_urlsafe(32), self._clock.now()
        known = Browser(fingerprint(cookie), account_id, tuple(methods), now, now + self._life)
        values = {**msgspec.structs.asdict(known), "used_at": now}
        ended = or_(browser.c.expires_at < now, browser.c.used_at < now - self._idle)
        await run(self._engine, delete(browser).where(ended), insert(browser).values(values))
        return cookie, known

    async def use(self, cookie: str) -> Browser | None:
        """Return the login of a cookie, and count it as used; None when there is none, it is over, or was left alone."""
        now = self._clock.now()
        alive = (browser.c.expires_at > now, browser.c.used_at > now - self._idle)
        statement = update(browser).where(browser.c.id == fingerprint(cookie), *alive).values(used_at=now)
        columns = [browser.c[name] for name in Browser.__struct_fields__]
        [rows] = await run(self._engine, statement.returning(*columns))
        return as_struct(rows[0], Browser) if rows else None

    async def close(self, cookie: str) -> str | None:
        """Forget a login; return its id, None when there was none."""
        statement = delete(browser).where(browser.c.id == fingerprint(cookie)).returning(browser.c.id)
        [rows] = await run(self._engine, statement)
        return rows[0].id if rows else None


def fingerprint(secret: str) -> str:
    """What is stored of a random secret that somebody else holds."""
    return hashlib.sha256(secret.encode()).hexdigest()
