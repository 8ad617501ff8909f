"""The clients: systems that may ask for tokens, each of one organization, with its keys and the most it may do.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#register-smart-backend-service
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.keys import Jwk, accept_jwks
from gateway.registry import tables
from gateway.registry.access import run
from services.fhir.definitions import resource_types
from services.fhir.scopes import ANY, Scope, parse_scopes
from services.kit.clock import Clock

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


class RegistrationError(ValueError):
    """A client that cannot be registered so; the message says what to mend."""


class Client(msgspec.Struct, frozen=True):
    """A registered system. `organization` is the id of its Organization, `scopes` are separated by spaces."""

    client_id: str
    organization: str
    scopes: str
    jwks: Jwk
    is_disabled: bool
    created_at: datetime


class Clients:
    """The registry of clients. What it changes acts on every running gateway within five seconds."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def add(
        self, name: str, organization: str, scopes: str, jwks: Mapping[str, Any], *, client_id: str | None = None
    ) -> Client:
        """Register a client, or raise ValueError (RegistrationError, ScopeError, KeyRefusedError) and register nothing."""
        identifier = client_id or name
        _check_names(identifier, organization)
        accepted = _accept_scopes(scopes)
        client = Client(identifier, organization, accepted, accept_jwks(jwks), False, self._clock.now())  # noqa: FBT003
        statement = insert(tables.client).values(**msgspec.structs.asdict(client)).on_conflict_do_nothing()
        [added] = await run(self._engine, statement.returning(tables.client.c.client_id))
        if not added:
            raise RegistrationError(f"the client {identifier} is already registered")
        return client

    async def get(self, client_id: str) -> Client | None:
        [rows] = await run(self._engine, select(tables.client).filter_by(client_id=client_id))
        return _client(rows[0]) if rows else None

    async def list(self) -> list[Client]:
        [rows] = await run(self._engine, select(tables.client).order_by(tables.client.c.client_id))
        return [_client(row) for row in rows]

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


def _client(row: Row[Any]) -> Client:
    return Client(row.client_id, row.organization, row.scopes, row.jwks, row.is_disabled, row.created_at)


def _check_names(client_id: str, organization: str) -> None:
    if not _CLIENT_ID.fullmatch(client_id):
        raise RegistrationError("a client id is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
    if not _FHIR_ID.fullmatch(organization):
        raise RegistrationError("the organization is the id of an Organization resource: 1 to 64 of A-Z a-z 0-9 . -")


def _accept_scopes(text: str) -> str:
    scopes = parse_scopes(text)
    if not scopes:
        raise RegistrationError("at least one scope is needed, e.g. system/Observation.rs")
    for scope in scopes:
        _check_scope(scope)
    return " ".join(scope.text for scope in scopes)


def _check_scope(scope: Scope) -> None:
    if scope.context != "system":
        raise RegistrationError(f"{scope.text}: a system acts for itself, its scopes begin with system/")
    if scope.type != ANY and scope.type not in resource_types():
        raise RegistrationError(f"{scope.text}: R4 has no resource type {scope.type}")
    if scope.is_limited:
        raise RegistrationError(f"{scope.text}: scopes with search parameters are not enforced here yet; register none")
