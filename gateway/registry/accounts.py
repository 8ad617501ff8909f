"""The accounts of people. What is changed here acts on every running gateway within five seconds."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry import tables
from gateway.registry.access import as_struct, run
from gateway.registry.account import Account, check_account
from gateway.registry.client import RegistrationError
from services.kit.clock import Clock
from services.kit.ids import uuid7

_COLUMNS = [tables.account.c[field.name] for field in msgspec.structs.fields(Account)]


class Accounts:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def add(
        self,
        name: str,
        organization: str,
        person: str,
        roles: Sequence[str],
        password: str,
        *,
        must_change: bool = True,
    ) -> Account:
        """Register a person with the hash of a first password, or raise RegistrationError and register nobody."""
        check_account(name, organization, person, roles)
        account = Account(
            id=uuid7(),
            name=name,
            organization=organization,
            person=person,
            roles=tuple(dict.fromkeys(roles)),
            password=password,
            must_change=must_change,
            created_at=self._clock.now(),
        )
        statement = insert(tables.account).values(**msgspec.structs.asdict(account)).on_conflict_do_nothing()
        [added] = await run(self._engine, statement.returning(tables.account.c.id))
        if not added:
            raise RegistrationError(f"the account {name} is already registered")
        return account

    async def find(self, name: str) -> Account | None:
        return await self._one(name=name)

    async def get(self, account_id: str) -> Account | None:
        return await self._one(id=account_id)

    async def list(self) -> list[Account]:
        [rows] = await run(self._engine, select(*_COLUMNS).order_by(tables.account.c.name))
        return [as_struct(row, Account) for row in rows]

    async def set_password(self, account_id: str, password: str, *, must_change: bool) -> bool:
        """Take another hash; where it is given out by somebody else, every login from before is void."""
        voided = {"tokens_after": self._clock.now()} if must_change else {}
        return await self._set(account_id, password=password, must_change=must_change, **voided)

    async def set_totp(self, account_id: str, sealed: str) -> bool:
        """Take another sealed secret; codes of the one before are worth nothing."""
        return await self._set(account_id, totp=sealed, totp_step=0)

    async def disable(self, account_id: str) -> bool:
        return await self._set(account_id, is_disabled=True, tokens_after=self._clock.now())

    async def enable(self, account_id: str) -> bool:
        """Let the person log in again; logins from before stay void."""
        return await self._set(account_id, is_disabled=False, tokens_after=self._clock.now())

    async def use_step(self, account_id: str, step: int) -> bool:
        """Use up the one-time password of a step; False when it was used before, by whichever replica."""
        statement = update(tables.account).where(tables.account.c.id == account_id, tables.account.c.totp_step < step)
        [used] = await run(self._engine, statement.values(totp_step=step).returning(tables.account.c.id))
        return bool(used)

    async def _one(self, **by: str) -> Account | None:
        [rows] = await run(self._engine, select(*_COLUMNS).filter_by(**by))
        return as_struct(rows[0], Account) if rows else None

    async def _set(self, account_id: str, **values: Any) -> bool:
        statement = update(tables.account).filter_by(id=account_id).values(**values)
        [changed] = await run(self._engine, statement.returning(tables.account.c.id))
        return bool(changed)
