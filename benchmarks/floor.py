"""The floor: what the machine could do if nothing but SQL were to be done. A bare ASGI app (https://asgi.readthedocs.io/) and asyncpg.

It carries out the store's own statements, with the access predicate, the outbox and the durable audit in them, on the same database with as
many workers; there are no tokens, no validation, no indexing and no rules. `python -m benchmarks.floor --database URL --port N --workers N`.
"""

import os
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any, Final

import msgspec
from uvicorn.config import STARTUP_FAILURE

from benchmarks import known
from services.fhir.audit import row
from services.fhir.body import stamp
from services.fhir.bundle import bundle, search_entry, write_entry
from services.fhir.store import read, write
from services.fhir.store.rows import AuditRow, Stored, Write, from_record, stored
from services.kit.clock import SystemClock
from services.kit.database import Database
from yiyang.up import POOL_SIZE, Workers, listen, server_config

DATABASE: Final = "YIYANG_FLOOR_DATABASE"
BASE: Final = "/fhir"
HEADERS: Final = [(b"content-type", b"application/fhir+json")]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, str | bytes]


class Floor:
    """One worker. The load script's requests and no others: read, search, create, update, transaction."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, POOL_SIZE)
        self._clock = SystemClock()
        self._service = known.service(self._database, BASE)
        self._prepared = known.Prepared(self._service)
        self._reads: dict[str, known.Statement] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status, text = await self._answer(scope, await _body(receive))
        body = text.encode() if isinstance(text, str) else text
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*HEADERS, length]})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._database.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        resource_type, _, resource_id = scope["path"].removeprefix(BASE).strip("/").partition("/")
        now = self._clock.now()
        match scope["method"], resource_type, resource_id:
            case "GET", "" | "readyz", _:
                return 200, "{}"
            case "GET", _, "":
                return await self._search(resource_type, scope["query_string"].decode(), now)
            case "GET", _, _:
                return await self._read(resource_type, resource_id, now)
            case "PUT", _, _:
                return await self._update(resource_type, resource_id, body, now)
            case "POST", "", _:
                return await self._transaction(body, now)
            case _:
                return await self._create(resource_type, body, now)

    async def _read(self, resource_type: str, resource_id: str, now: datetime) -> Answer:
        if resource_type not in self._reads:
            self._reads[resource_type] = await known.read_statement(resource_type)
        sql, values = self._reads[resource_type]
        async with self._database.connection() as connection:
            record = await connection.fetchrow(sql, *known.bound(values, now, resource_id))
        if record is None:
            return 404, "{}"
        found = from_record(record, resource_type)
        await self._service.stores.audit_log.record(_audit("read", now, found))
        return 200, found.body or ""

    async def _search(self, resource_type: str, query: str, now: datetime) -> Answer:
        sql, values = known.search_statement(resource_type, query, BASE)
        async with self._database.connection() as connection:
            records = await connection.fetch(sql, *known.bound(values, now))
        found = [from_record(record, resource_type) for record in records][:20]  # one more than a page was asked for
        about = [each.patient for each in found]
        await self._service.stores.audit_log.record(
            row(now, known.CALLER, "search-type", 200, resource_type, None, about=about, query=query)
        )
        return 200, bundle("searchset", [search_entry(each, BASE, "match") for each in found])

    async def _create(self, resource_type: str, body: bytes, now: datetime) -> Answer:
        prepared = self._prepared.one(resource_type, body)
        new = known.afresh(prepared, now, known.new_patients([prepared], now), body)
        await self._commit([new], [_audit("create", now, stored(new))], now)
        return 201, new.body or ""

    async def _update(self, resource_type: str, resource_id: str, body: bytes, now: datetime) -> Answer:
        prepared = self._prepared.one(resource_type, body)
        while True:
            try:
                return 200, await self._replace(prepared, resource_id, body, now)
            except write.VersionConflict:
                continue

    async def _replace(self, prepared: Write, resource_id: str, body: bytes, now: datetime) -> str:
        async with self._database.connection() as connection:
            current, _ = await read.to_write(connection, prepared.type, resource_id, known.access(now))
            if current is None:
                raise LookupError(resource_id)
            at = max(now, current.updated)
            version = current.version + 1
            new = msgspec.structs.replace(
                prepared,
                id=resource_id,
                shard=current.shard,
                version=version,
                method="PUT",
                updated=at,
                patient=current.patient,
                opens=None,
                refers=(),
                body=stamp(body, prepared.type, resource_id, version, at),
            )
            audit = [_audit("update", now, stored(new))]
            await write.commit(connection, [new], audit, (), known.access(now))
        return new.body or ""

    async def _transaction(self, body: bytes, now: datetime) -> Answer:
        prepared = self._prepared.bundle(body)
        patients = known.new_patients(prepared, now)
        new = [known.afresh(each, now, patients) for each in prepared]
        await self._commit(new, [_audit("create", now, stored(each)) for each in new], now)
        return 200, bundle("transaction-response", [write_entry(stored(each), BASE, "minimal") for each in new])

    async def _commit(self, writes: list[Write], audit: list[AuditRow], now: datetime) -> None:
        async with self._database.connection() as connection:
            await write.commit(connection, writes, audit, (), known.access(now))


def _audit(interaction: str, now: datetime, of: Stored) -> AuditRow:
    return row(now, known.CALLER, interaction, 200, of.type, of.id, of=of)


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def app() -> Floor:
    """In one worker."""
    return Floor(os.environ[DATABASE])


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, default=8766)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    os.environ[DATABASE] = arguments.database
    with listen("127.0.0.1", arguments.port) as door:
        supervisor = Workers(server_config("benchmarks.floor:app", arguments.workers), door)
        supervisor.run()
    return int(any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes))


if __name__ == "__main__":
    raise SystemExit(main())
