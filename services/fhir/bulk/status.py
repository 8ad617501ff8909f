"""A job as its client sees it: status, files, cancellation: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request

A job exists for who started it and for nobody else.
"""

import asyncio
import gzip
from typing import Any, Final

import msgspec

from services.fhir.bulk.job import File, Job
from services.fhir.bulk.kick_off import JOB
from services.fhir.bulk.receipts import receipt
from services.fhir.headers import http_date
from services.fhir.outcomes import FhirError, Issue, not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ, SEARCH
from services.fhir.service import Service
from services.fhir.store import export, jobs
from services.fhir.within_scopes import check_some

RETRY_SECONDS: Final = 2


class _Line(msgspec.Struct):
    id: str


_with_id: Final = msgspec.json.Decoder(_Line).decode
_JSON: Final = (b"content-type", b"application/json")
_NDJSON: Final = (b"content-type", b"application/fhir+ndjson")


async def status(request: FhirRequest, service: Service) -> Answer:
    """202 while it lasts, 200 with the manifest or the receipt when it is done, the outcome when it failed."""
    job = await _job(request, service)
    if job.state == "failed":
        raise _failure(job)
    if job.state != "completed":
        headers = ((b"x-progress", job.progress.encode()), (b"retry-after", str(RETRY_SECONDS).encode()))
        return Answer(202, b"", headers)
    expires = (b"expires", (http_date(job.expires) if job.expires else "0").encode())
    async with service.stores.database.connection() as connection:
        if job.kind == "ingest":
            return Answer(200, await receipt(job, connection), (expires,))
        files = await jobs.files(connection, job.id)
    return Answer(200, msgspec.json.encode(_manifest(job, files, service.base)), (_JSON, expires))


async def cancel(request: FhirRequest, service: Service) -> Answer:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-delete-request: from then on there is no such job."""
    job = await _job(request, service)
    async with service.stores.database.connection() as connection:
        await jobs.cancel(connection, job.id)
    await service.stores.audit_log.record(request.audit(f"{job.kind}-cancel", 202, query=f"job={job.id}"))
    return Answer(202)


async def job_file(request: FhirRequest, service: Service) -> Answer:
    """One file, as it lies there where the client takes gzip; only with a token that still covers its type."""
    job = await _job(request, service)
    number = request.file.partition(".")[0]
    async with service.stores.database.connection() as connection:
        found = await jobs.content(connection, job.id, int(number)) if _is_number(number) else None
    if found is None:
        raise not_found("No such file", text="未找到该文件")
    name, content = found
    if job.kind == "export" and name != "Bundle":
        check_some(request.caller, name, READ + SEARCH)
        content = await _within_reach(name, content, service)
    await service.stores.audit_log.record(request.audit(f"{job.kind}-file", 200, query=f"job={job.id}&file={number}"))
    if "gzip" in request.header(b"accept-encoding"):
        return Answer(200, content, (_NDJSON, (b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")))
    return Answer(200, await asyncio.to_thread(gzip.decompress, content), (_NDJSON, (b"vary", b"accept-encoding")))


async def _within_reach(resource_type: str, content: bytes, service: Service) -> bytes:
    """The file without what its client may no longer see: a consent that was withdrawn holds for what lies ready, too."""
    lines = (await asyncio.to_thread(gzip.decompress, content)).splitlines(keepends=True)
    ids = [_with_id(line).id for line in lines]
    access = service.stores.access
    async with service.stores.database.connection() as connection:
        seen = await export.still_seen(connection, resource_type, ids, access)
    if access.limits is None and seen.issuperset(ids):
        return content
    kept = [line for line, each in zip(lines, ids, strict=True) if each in seen and export.is_granted(line, access)]
    return await asyncio.to_thread(gzip.compress, b"".join(kept))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9  # noqa: PLR2004


async def _job(request: FhirRequest, service: Service) -> Job:
    async with service.stores.database.connection() as connection:
        job = await jobs.find(connection, request.id, request.caller)
    if job is None:
        raise not_found("No such job, or no longer", text="未找到该任务，或已过期、已取消")
    return job


def _manifest(job: Job, files: list[File], base: str) -> dict[str, Any]:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status"""

    def listed(kind: str) -> list[dict[str, Any]]:
        return [
            {"type": f.type, "url": f"{base}/{JOB}/{job.id}/{f.name}", "count": f.lines}
            for f in files
            if f.kind == kind
        ]

    moment = job.moment or job.created
    return {
        "transactionTime": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "request": job.request,
        "requiresAccessToken": True,
        "output": listed("output"),
        "deleted": listed("deleted"),
        "error": listed("error"),
        **({"extension": job.tally} if job.tally else {}),
    }


def _failure(job: Job) -> FhirError:
    issues = msgspec.json.decode(job.failure or "[]", type=tuple[Issue, ...])
    return FhirError(500, issues)
