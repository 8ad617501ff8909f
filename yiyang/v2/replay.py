"""Refused messages once more, as their clients and by the same way as the first time; where the records lie: docs/v2.md"""

import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from gateway.registry import Client
from gateway.scopes import read_scopes
from services.fhir.store import v2_messages
from services.fhir.store.vault import vault_of
from services.kit.caller import HEADER, Caller, sign
from services.kit.database import Database, DatabaseUnavailable
from services.kit.ids import uuid7
from services.kit.peers import AsgiApp, Peers
from services.kit.settings import ServiceSettings
from yiyang import registration
from yiyang.command import CommandError
from yiyang.composition import SERVICES, later

_TARGET: Final = "/fhir/$process-v2"
_OK: Final = 200


class Asked(msgspec.Struct, frozen=True):
    client: str | None
    since: datetime
    most: int
    accepted: bool


async def receipts(url: str, asked: Asked) -> Sequence[Any]:
    database = Database(url, pool_size=1)
    try:
        async with database.connection() as connection:
            return await v2_messages.listed(connection, asked.client, asked.since, asked.most, accepted=asked.accepted)
    finally:
        await database.close()


async def replay(url: str, asked: Asked, keys: Sequence[str]) -> list[tuple[str, str]]:
    """(key, code of the acknowledgement) of each, in the order in which they came first."""
    rows = [row for row in await receipts(url, asked) if not keys or any(row["key"].startswith(key) for key in keys)]
    async with registration.clients(url) as registry:
        clients = {name: await registry.get(name) for name in {row["client"] for row in rows}}
    async with _Inside.opened(url) as inside:
        return [(row["key"], await inside.process(row["key"], _usable(row["client"], clients))) for row in rows]


def _usable(name: str, clients: Mapping[str, Client | None]) -> Client:
    client = clients[name]
    if client is None or client.is_disabled:
        raise CommandError("该系统未登记或已停用", f"the client {name} is not registered, or disabled")
    return client


class _Inside:
    """The services in this process, over the database, under a key of their own."""

    def __init__(self, database: Database, settings: ServiceSettings, peers: Peers, key: str) -> None:
        self._database = database
        self._vault = vault_of(settings)
        self._peers = peers
        self._key = key.encode()

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator["_Inside"]:
        key, database = secrets.token_urlsafe(48), Database(url, pool_size=4)
        settings = ServiceSettings(database_url=url, internal_key=SecretStr(key), peers={})
        apps: dict[str, AsgiApp] = {}
        try:
            async with Peers({name: later(apps, name) for name in SERVICES}) as peers:
                apps |= {name: make(settings, database=database, peers=peers) for name, make in SERVICES.items()}
                yield cls(database, settings, peers, key)
        finally:
            await database.close()

    async def process(self, key: str, client: Client) -> str:
        async with self._database.connection() as connection:
            content = await v2_messages.content_of(connection, key, self._vault)
        if content is None:
            return "gone"
        scopes = tuple(scope.text for scope in read_scopes(client.scopes).fhir)
        caller = Caller(client.client_id, client.organization, None, scopes, client.purposes[0], uuid7(), uuid7())
        signature = sign(caller, "POST", _TARGET, content, self._key, time.time())
        headers = [(HEADER.encode(), signature.encode()), (b"content-type", b"application/hl7-v2")]
        answer = await self._peers.call("records", "POST", _TARGET, headers, content)
        if answer.status != _OK:
            raise DatabaseUnavailable
        async with self._database.connection() as connection:
            known = await v2_messages.find(connection, key)
        return known.code if known else "gone"
