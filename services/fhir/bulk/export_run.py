"""The work of an export: list one snapshot's versions, then write them out file by file (docs/adr/0015).

Each file is one commit together with how far the part is done. After a crash the next worker goes on behind the last file: what was
written is not written again, what was not is.
"""

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from services.fhir.bulk.filters import parse_filters
from services.fhir.bulk.job import Export, Job, Part
from services.fhir.bundle import text
from services.fhir.service import Service
from services.fhir.store import export, jobs
from services.fhir.store.history import HistoryQuery
from services.fhir.store.store import Stores

MAX_FILE: Final = 8_000_000  # characters, about; one resource more ends a file
_BATCH: Final = 200
_DELETIONS: Final = 500  # of one transaction Bundle
_GZIP: Final = 31  # zlib's window with a gzip header
_LEVEL: Final = 3


async def run(job: Job, worker: str, service: Service) -> None:
    """From wherever it stands to the last file; LeaseLostError when the job is no longer this worker's."""
    if job.moment is None:
        await _plan(job, worker, service)
    while True:
        async with service.stores.database.connection() as connection:
            part = await jobs.next_part(connection, job.id)
        if part is None:
            return
        await _write_file(job, part, worker, service.seen_by(job.caller))  # as it is by now


async def _plan(job: Job, worker: str, service: Service) -> None:
    """First every commit under way is awaited, so that whoever asks again `_since` this moment misses none (store/history.py)."""
    asked = msgspec.json.decode(job.asked, type=Export)
    filters = parse_filters(asked, job.created, service)
    settled = await service.stores.reading(lambda store: store.history(HistoryQuery((), None, 0)))
    async with service.stores.database.connection() as connection, connection.transaction():
        await export.list_versions(connection, job, asked, filters, service.stores.access)
        await jobs.beat(connection, job.id, worker)
        await jobs.planned(connection, job.id, settled.until)


async def _write_file(job: Job, part: Part, worker: str, service: Service) -> None:
    async with service.stores.database.connection() as connection:
        lines, count = await (
            _deletions(part) if part.kind == "deleted" else _resources(connection, part, service.stores)
        )
    content = await asyncio.to_thread(compressed, map(str.encode, lines))
    async with service.stores.database.connection() as connection, connection.transaction():
        await jobs.beat(connection, job.id, worker)
        if lines:
            kind, name = ("deleted", "Bundle") if part.kind == "deleted" else ("output", part.type)
            await jobs.add_file(connection, job.id, kind, name, len(lines), sum(map(len, lines)), content)  # type: ignore[arg-type]
        await jobs.advance(connection, job.id, part, count, {})


async def _resources(connection: Any, part: Part, stores: Stores) -> tuple[list[str], int]:
    """One resource a line, until the file is large enough or the part is done; and how many versions that were."""
    lines: list[str] = []
    size, place = 0, part.done
    while place < part.total and size < MAX_FILE:
        ids, versions = part.ids[place : place + _BATCH], part.versions[place : place + _BATCH]
        found = await export.bodies(connection, part.type, ids, versions, stores.access)
        bodies = [stores.opened_text(body, part.type, resource_id) for resource_id, body in found]
        lines += map(one_line, bodies)
        size += sum(map(len, bodies))
        place += len(ids)
    return lines, place - part.done


async def _deletions(part: Part) -> tuple[list[str], int]:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status: transactions that repeat the deletions."""
    names = [f"{part.type}/{resource_id}" for resource_id in part.ids[part.done :]]
    chunks = [names[n : n + _DELETIONS] for n in range(0, len(names), _DELETIONS)]
    return [_bundle(chunk) for chunk in chunks], len(names)


def _bundle(names: Sequence[str]) -> str:
    entries = ",".join(f'{{"request":{{"method":"DELETE","url":{text(name)}}}}}' for name in names)
    return f'{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}'


def one_line(body: str) -> str:
    """In JSON a line break stands between tokens only, never in a string: https://datatracker.ietf.org/doc/html/rfc8259#section-7"""
    return body.replace("\r", " ").replace("\n", " ") if "\n" in body or "\r" in body else body


def compressed(lines: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return b"".join([*(packer.compress(line + b"\n") for line in lines), packer.flush()])
