"""To start a job: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request"""

from collections.abc import Sequence
from typing import Final

from services.fhir.bulk.job import Job, Kind, Part
from services.fhir.outcomes import FhirError, Issue, operation_outcome
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store import idempotency, jobs
from services.kit.ids import uuid7

JOB: Final = "$job"
MAX_OPEN: Final = 4  # jobs of one client that are not finished

_ACCEPTED: Final = Issue(
    "information", "informational", "Accepted; ask Content-Location", "已受理，请按 Content-Location 查询"
)


async def kick_off(
    kind: Kind, asked: str, request: FhirRequest, service: Service, parts: Sequence[Part] = (), total: int | None = None
) -> Answer:
    """202 once the job is durable, so that no crash forgets it."""
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
        if await jobs.count_open(connection, job.caller) >= MAX_OPEN:
            raise _too_many()
        answer = _accepted(job, service)
        async with connection.transaction():
            await jobs.create(connection, job, parts)
            if (effect := service.stores.effect) is not None:
                await idempotency.keep(connection, effect, answer, (), None)
    if effect is not None:
        effect.is_done = True
    await service.stores.audit_log.record(request.audit(kind, 202, query=f"job={job.id}&{request.query}"))
    return answer


def _accepted(job: Job, service: Service) -> Answer:
    place = f"{service.base}/{JOB}/{job.id}"
    return Answer(202, operation_outcome([_ACCEPTED]), ((b"content-location", place.encode()),))


def _url(request: FhirRequest, service: Service) -> str:
    path = "/".join(part for part in (request.type, request.id, f"${request.operation}") if part)
    return f"{service.base}/{path}" + (f"?{request.query}" if request.query else "")


def _too_many() -> FhirError:
    issue = Issue(
        "error",
        "throttled",
        f"{MAX_OPEN} jobs of this client are not finished; wait for one, or cancel it",
        f"该客户端已有 {MAX_OPEN} 个任务未完成，请等待或取消",
    )
    return FhirError(429, (issue,), {"Retry-After": "60"})
