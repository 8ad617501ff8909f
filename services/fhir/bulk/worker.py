"""Who works on the jobs: any process, one job at a time, and another one when it dies (docs/adr/0015)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec

from services.fhir.bulk import export_run, import_run, ingest_run
from services.fhir.bulk.job import Job
from services.fhir.outcomes import FhirError, Issue
from services.fhir.service import Service
from services.fhir.store import jobs
from services.kit.background import keep_at
from services.kit.database import DatabaseUnavailable
from services.kit.ids import uuid7
from services.kit.logging import log, log_failure
from services.kit.peers import PeerUnavailable

POLL_SECONDS: Final = 1.0
BEAT_SECONDS: Final = 3.0
MAX_ATTEMPTS: Final = 5

Run = Callable[[Job, str, Service], Awaitable[None]]
_RUNS: Final[Mapping[str, Run]] = {"export": export_run.run, "import": import_run.run, "ingest": ingest_run.run}
_GIVEN_UP: Final = Issue("error", "exception", f"Failed {MAX_ATTEMPTS} times", "多次尝试均失败")


class Worker:
    """One per process, and one for each request that waits for its own job."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._keep = service.keep_files
        self.name = uuid7()

    async def forever(self) -> None:
        """Until it is cancelled; a job in hand is then given back."""
        await keep_at(self.work, POLL_SECONDS, "job.unclaimed", service=self._service.name)

    async def work(self) -> bool:
        """Do one job if there is one, from wherever it stands; whether there was one."""
        async with self._service.stores.database.connection() as connection:
            job = await jobs.claim(connection, self.name)
            if job is None:
                await jobs.forget_expired(connection, self._keep)
                return False
        await self.work_on(job)
        return True

    async def work_on(self, job: Job) -> None:
        """A job that is in this worker's hands; who gives up leaves it to whoever finds its beat old."""
        try:
            async with self._beating(job):
                await self._run(job)
        except (jobs.LeaseLostError, DatabaseUnavailable, PeerUnavailable):
            return  # cancelled, or somebody goes on with it when the beat is old
        except asyncio.CancelledError:
            await self._tell(job, jobs.release)
            raise

    async def _run(self, job: Job) -> None:
        failure: tuple[Issue, ...] | None = None
        try:
            if job.attempts > MAX_ATTEMPTS:
                failure = (_GIVEN_UP,)
            else:
                await _RUNS[job.kind](job, self.name, self._service.seen_by(job.caller))
        except FhirError as error:
            failure = error.issues
        except (jobs.LeaseLostError, DatabaseUnavailable, PeerUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - the job is tried again when its beat is old, a limited number of times
            log_failure("job.failed", error, service=self._service.name)
            return
        text = msgspec.json.encode(failure).decode() if failure else None
        async with self._service.stores.database.connection() as connection:
            await jobs.finish(connection, job.id, self.name, self._keep, text)
        log("job.finished", service=self._service.name, interaction=job.kind, code="failed" if failure else "completed")

    @asynccontextmanager
    async def _beating(self, job: Job) -> AsyncIterator[None]:
        """Steps can be long; the beat goes on beside them."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                with suppress(DatabaseUnavailable, jobs.LeaseLostError):
                    await self._tell(job, jobs.beat)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()

    async def _tell(self, job: Job, act: Callable[[Any, str, str], Awaitable[None]]) -> None:
        with suppress(DatabaseUnavailable):
            async with self._service.stores.database.connection() as connection:
                await act(connection, job.id, self.name)
