"""What an app gets from a login: a code that is worth one token, and refresh tokens that are worth one each (RFC 9700 §4.14).

A code or refresh token that comes a second time was stolen from one of two: all that followed from its login is void.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Table, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.access import run
from gateway.registry.browsers import fingerprint
from gateway.registry.tables import code, refresh_token
from services.kit.clock import Clock

CODE_LIFE: Final = timedelta(seconds=60)
_SWEPT: Final = timedelta(hours=1)  # kept so long after it expired, so that a second use is noticed


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A person at an app: what every token that follows from it has in common."""

    client: str
    account: str
    family: str
    browser: str
    scope: str
    methods: tuple[str, ...]
    began_at: datetime
    ends_at: datetime
    nonce: str | None = None


class Code(msgspec.Struct, frozen=True):
    login: Login
    challenge: str
    redirect_uri: str


class ReusedError(Exception):
    """It was used before."""

    def __init__(self, login: Login) -> None:
        super().__init__("used before")
        self.login = login


class Logins:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def issue_code(self, login: Login, challenge: str, redirect_uri: str) -> str:
        values = {"challenge": challenge, "redirect_uri": redirect_uri}
        return await self._issue(code, login, self._clock.now() + CODE_LIFE, **values)

    async def take_code(self, value: str) -> Code | None:
        """Use a code up, whoever sends it; None for none that is valid, ReusedError the second time."""
        row = await self._take(code, value)
        return Code(_login(row), row.challenge, row.redirect_uri) if row else None

    async def issue_refresh(self, login: Login) -> str:
        return await self._issue(refresh_token, login, login.ends_at, family=login.family)

    async def take_refresh(self, value: str) -> Login | None:
        """Use a refresh token up; None for none that is valid, ReusedError the second time."""
        row = await self._take(refresh_token, value)
        return _login(row) if row else None

    async def peek_refresh(self, value: str) -> Login | None:
        [rows] = await run(self._engine, select(refresh_token).where(refresh_token.c.id == fingerprint(value)))
        return _login(rows[0]) if rows else None

    async def end(self, family: str) -> None:
        """Let no refresh token of a login be worth anything."""
        await run(self._engine, delete(refresh_token).where(refresh_token.c.family == family))

    async def end_browser(self, browser_id: str) -> list[str]:
        """End every login that a browser's session gave; return their families."""
        codes = select(code.c.login["family"].astext.label("family"))
        ended, given = await run(
            self._engine,
            delete(refresh_token).where(_of_browser(refresh_token, browser_id)).returning(refresh_token.c.family),
            codes.where(_of_browser(code, browser_id)),
        )
        return sorted({row.family for row in (*ended, *given)})

    async def _issue(self, table: Table, login: Login, expires_at: datetime, **values: Any) -> str:
        value, now = secrets.token_urlsafe(32), self._clock.now()
        row = {"id": fingerprint(value), "login": msgspec.to_builtins(login), "expires_at": expires_at, **values}
        sweep = delete(table).where(table.c.expires_at < now - _SWEPT)
        await run(self._engine, sweep, insert(table).values(row))
        return value

    async def _take(self, table: Table, value: str) -> Any:
        now = self._clock.now()
        mine = table.c.id == fingerprint(value)
        use = update(table).where(mine, table.c.used_at.is_(None), table.c.expires_at > now).values(used_at=now)
        taken, known = await run(self._engine, use.returning(table), select(table).where(mine))
        if taken:
            return taken[0]
        if known and known[0].used_at is not None:
            raise ReusedError(_login(known[0]))
        return None


def _of_browser(table: Table, browser_id: str) -> ColumnElement[bool]:
    matches: ColumnElement[bool] = table.c.login["browser"].astext == browser_id
    return matches


def _login(row: Any) -> Login:
    return msgspec.convert(row.login, Login)
