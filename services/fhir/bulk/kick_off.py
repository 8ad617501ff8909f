"""To start a job: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request"""

from collections.abc import Mapping, Sequence
from typing import Final

from services.fhir.bulk.job import Job, Kind, Part
from services.fhir.outcomes import FhirError, Issue, operation_outcome
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store import jobs
from services.kit.ids import uuid7

JOB: Final = "$job"
MOST_OPEN: Final[Mapping[Kind, int]] = {
    "export": 4,
    "import": 4,
    "ingest": 16,
}  # jobs of one client that are not finished
RETRY_SECONDS: Final[Mapping[Kind, int]] = {"export": 60, "import": 60, "ingest": 2}

_ACCEPTED: Final = Issue(
    "information", "informational", "Accepted; ask Content-Location", "已受理，请按 Content-Location 查询"
)


async def kick_off(
    kind: Kind, asked: str, request: FhirRequest, service: Service, parts: Sequence[Part] = (), total: int | None = None
) -> Answer:
    """202 once the job is durable, so that no crash forgets it."""
    return accepted(await begin(kind, asked, request, service, parts, total), service)


async def begin(
    kind: Kind,
    asked: str,
    request: FhirRequest,
    service: Service,
    parts: Sequence[Part] = (),
    total: int | None = None,
    *,
    worker: str | None = None,
) -> Job:
    """The job, durable; already in the hands of a `worker` where one is named. Under an Idempotency-Key the same request finds it again."""
    job = Job(
        id=uuid7(),
        kind=kind,
        state="accepted",
        caller=request.caller,
        request=_url(request, service),
        asked=asked,
        created=request.at,
        moment=None,
        total=total,
        done=0,
        tally={},
        attempts=0,
        failure=None,
        expires=None,
    )
    async with service.stores.database.connection() as connection:
        if await jobs.count_open(connection, job.caller, kind) >= MOST_OPEN[kind]:
            raise _too_many(kind)
        async with connection.transaction():
            await jobs.create(connection, job, parts)
            if worker is not None:
                await jobs.take(connection, job.id, worker)
            if (effect := service.stores.effect) is not None:
                await effect.keep(connection, accepted(job, service), (), None)
    if effect is not None:
        effect.is_done = True
    await service.stores.audit_log.record(request.audit(kind, 202, query=f"job={job.id}&{request.query}"))
    return job


def accepted(job: Job, service: Service) -> Answer:
    return Answer(202, operation_outcome([_ACCEPTED]), (place_of(job, service),))


def place_of(job: Job, service: Service) -> tuple[bytes, bytes]:
    """The header that says where one asks about the job."""
    return b"content-location", f"{service.base}/{JOB}/{job.id}".encode()


def _url(request: FhirRequest, service: Service) -> str:
    path = "/".join(part for part in (request.type, request.id, f"${request.operation}") if part)
    return f"{service.base}/{path}" + (f"?{request.query}" if request.query else "")


def _too_many(kind: Kind) -> FhirError:
    most = MOST_OPEN[kind]
    issue = Issue(
        "error",
        "throttled",
        f"{most} jobs of this client are not finished; wait for one, or cancel it",
        f"该客户端已有 {most} 个任务未完成，请等待或取消",
    )
    return FhirError(429, (issue,), {"Retry-After": str(RETRY_SECONDS[kind])})
