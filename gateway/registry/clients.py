"""The registry of clients: what it changes acts on every running gateway within five seconds.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#register-smart-backend-service
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry import tables
from gateway.registry.access import as_struct, run
from gateway.registry.client import Client, Options, RegistrationError, accept_client
from services.kit.clock import Clock

_COLUMNS = [tables.client.c[field.name] for field in msgspec.structs.fields(Client)]
_NONE = Options()


class Clients:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def add(
        self,
        name: str,
        organization: str,
        scopes: str,
        jwks: Mapping[str, Any] | None,
        options: Options = _NONE,
    ) -> Client:
        """Register a client, or raise ValueError (RegistrationError, ScopeError, KeyRefusedError …) and register nothing."""
        client = accept_client(name, organization, scopes, jwks, options, self._clock.now())
        statement = insert(tables.client).values(**msgspec.structs.asdict(client)).on_conflict_do_nothing()
        [added] = await run(self._engine, statement.returning(tables.client.c.client_id))
        if not added:
            raise RegistrationError(f"the client {name} is already registered")
        return client

    async def get(self, client_id: str) -> Client | None:
        [rows] = await run(self._engine, select(*_COLUMNS).where(tables.client.c.client_id == client_id))
        return as_struct(rows[0], Client) if rows else None

    async def list(self, organization: str | None = None) -> list[Client]:
        """Return every client, or those of one organization, by id."""
        statement = select(*_COLUMNS).order_by(tables.client.c.client_id)
        if organization is not None:
            statement = statement.where(tables.client.c.organization == organization)
        [rows] = await run(self._engine, statement)
        return [as_struct(row, Client) for row in rows]

    async def disable(self, client_id: str) -> bool:
        """Refuse the client from now on, with every token it holds. False when there is no such client."""
        return await self._set(client_id, is_disabled=True)

    async def enable(self, client_id: str) -> bool:
        """Let the client ask for tokens again; those from before stay void. False when there is no such client."""
        return await self._set(client_id, is_disabled=False)

    async def _set(self, client_id: str, *, is_disabled: bool) -> bool:
        statement = update(tables.client).filter_by(client_id=client_id)
        statement = statement.values(is_disabled=is_disabled, tokens_after=self._clock.now())
        [changed] = await run(self._engine, statement.returning(tables.client.c.client_id))
        return bool(changed)
