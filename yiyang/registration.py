"""Registers a client with the gateway, and its Organization with the records service, straight in the database.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#register-smart-backend-service
"""

import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec.structs import replace
from pydantic import SecretStr

from gateway.registry import Client, Clients, Options, RegistrationError, SigningKeys
from gateway.registry.client import accept_client
from gateway.remember import Remember
from gateway.scopes import read_scopes
from gateway.settings import GatewaySettings
from gateway.tokens import AccessTokens, system_bearer
from services.fhir.store.audit_log import AuditLog
from services.kit.caller import HEADER, Caller, sign
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.ids import uuid7
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.records.app import create_app

NO_OPTIONS: Final = Options()
NAME: Final = "yiyang-cli"  # as the audit knows the operator at the command line
PURPOSE: Final = "HOPERAT"  # http://terminology.hl7.org/CodeSystem/v3-ActReason: healthcare operations


@asynccontextmanager
async def clients(url: str) -> AsyncIterator[Clients]:
    async with _open(url) as database:
        yield Clients(database.engine, SystemClock())


async def register(
    url: str, name: str, organization: str, scopes: str, jwks: Mapping[str, Any] | None, options: Options = NO_OPTIONS
) -> Client:
    """Register once: the same again is no error, something else under the same name is (RegistrationError)."""
    async with _open(url) as database:
        registry = Clients(database.engine, SystemClock())
        client = await registry.get(name)
        if client is None:
            client = await registry.add(name, organization, scopes, jwks, options)
            await remember(database, "client-add", name)
        elif not _is_same(client, accept_client(name, organization, scopes, jwks, options, client.created_at)):
            raise RegistrationError(f"the client {name} is already registered, with other facts")
        await _ensure_organization(database, organization)
        return client


async def switch(url: str, name: str, *, is_disabled: bool) -> bool:
    """Disable or enable a client; False when there is none."""
    async with _open(url) as database:
        registry = Clients(database.engine, SystemClock())
        is_known = await (registry.disable if is_disabled else registry.enable)(name)
        if is_known:
            await remember(database, "client-disable" if is_disabled else "client-enable", name)
        return is_known


async def remember(database: Database, act: str, about: str) -> None:
    """What is done at the command line stands in the audit like everything else."""
    operator = Caller(NAME, "", None, (), PURPOSE, uuid7(), "")
    await Remember(AuditLog(database), SystemClock())(operator, act, 200, about=about)


async def issue_token(url: str, internal_key: str, public_base: str, client: Client) -> str:
    """An access token with all scopes of the client, signed with the gateway's own key."""
    settings = GatewaySettings(database_url=url, internal_key=SecretStr(internal_key), public_base=public_base)
    async with _open(url) as database:
        keys = SigningKeys(database.engine, settings.key, SystemClock())
        tokens = AccessTokens(settings, keys, SystemClock())
        token = await tokens.issue(system_bearer(client), read_scopes(client.scopes))
        return token.text


def _is_same(known: Client, given: Client) -> bool:
    return replace(known, is_disabled=False) == given


async def _ensure_organization(database: Database, organization: str) -> None:
    """Create it when it is not there, through the records service: validated, versioned and audited like any other."""
    key = secrets.token_urlsafe(48)  # between this function and the app that it makes
    settings = ServiceSettings(database_url=database.url, internal_key=SecretStr(key), peers={})
    async with Peers({"records": create_app(settings, database=database)}) as peers:
        target = f"/fhir/Organization/{organization}"
        if await _ask(peers, key, organization, "GET", target) == 200:  # noqa: PLR2004
            return
        resource = {"resourceType": "Organization", "id": organization, "active": True, "name": organization}
        status = await _ask(peers, key, organization, "PUT", target, json.dumps(resource).encode())
        if status not in (200, 201):
            raise RegistrationError(f"Organization/{organization} could not be created: {status}")


async def _ask(peers: Peers, key: str, organization: str, method: str, target: str, body: bytes = b"") -> int:
    caller = Caller(NAME, organization, None, ("system/Organization.crus",), PURPOSE, uuid7(), uuid7())
    signature = sign(caller, method, target, body, key.encode(), time.time())
    headers = [(HEADER.encode(), signature.encode()), (b"content-type", b"application/fhir+json")]
    return (await peers.call("records", method, target, headers, body)).status


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=1)
    try:
        yield database
    finally:
        await database.close()
