"""The queue of bulk jobs: who works on which, what is done, and the files (docs/adr/0015).

A worker owns a job as long as its beat is recent. Each step is one transaction that first renews the beat and so locks the job; a worker
that was taken for dead finds that the job is no longer its own, and its step is undone. So every step counts exactly once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from services.fhir.bulk.job import File, FileKind, Job, Kind, Part
from services.fhir.store.shards import shard_of
from services.kit.caller import Caller

QUEUE: Final = 0  # the shard of all jobs
LEASE: Final = timedelta(seconds=12)

_JOB: Final = "id, kind, state, caller, request, asked, created, moment, total, done, tally, attempts, failure, expires"


class LeaseLostError(Exception):
    """The job was cancelled, or another worker has taken it over; nothing of this step was written."""


# ---- the client's side ----------------------------------------------------------------------------------------------------


async def create(connection: Any, job: Job, parts: Sequence[Part] = ()) -> None:
    async with connection.transaction():
        await connection.execute(
            f"""INSERT INTO fhir.job ({_JOB}, shard, owner)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, {QUEUE}, $15)""",
            *(_column(job, name.strip()) for name in _JOB.split(",")),
            _owner(job.caller),
        )
        await add_parts(connection, job.id, parts)


async def add_parts(connection: Any, job: str, parts: Sequence[Part]) -> None:
    await connection.executemany(
        """INSERT INTO fhir.job_part (job, shard, number, kind, type, ids, versions, content, first, total, done)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        [(job, shard_of(job), *msgspec.structs.astuple(part)) for part in parts],
    )


async def count_open(connection: Any, caller: Caller, kind: Kind) -> int:
    sql = f"""SELECT count(*) FROM fhir.job WHERE shard = {QUEUE} AND owner = $1 AND kind = $2
    AND state IN ('accepted', 'running')"""
    return int(await connection.fetchval(sql, _owner(caller), kind))


async def find(connection: Any, job: str, caller: Caller) -> Job | None:
    """A job of this caller that was neither cancelled nor has expired."""
    sql = f"""SELECT {_JOB} FROM fhir.job WHERE id = $1 AND shard = {QUEUE} AND owner = $2 AND state <> 'cancelled'
    AND (expires IS NULL OR expires > now())"""
    record = await connection.fetchrow(sql, job, _owner(caller))
    return _job(record) if record else None


async def files(connection: Any, job: str) -> list[File]:
    sql = "SELECT number, kind, type, lines FROM fhir.job_file WHERE job = $1 AND shard = $2 ORDER BY number"
    return [File(**record) for record in await connection.fetch(sql, job, shard_of(job))]


async def content(connection: Any, job: str, number: int) -> tuple[str, bytes] | None:
    """The type of a file's resources, and the file, compressed by gzip."""
    sql = "SELECT type, content FROM fhir.job_file WHERE job = $1 AND shard = $2 AND number = $3"
    record = await connection.fetchrow(sql, job, shard_of(job), number)
    return (record["type"], record["content"]) if record else None


async def cancel(connection: Any, job: str) -> None:
    """Whoever works on it notices at its next step; what was written goes at once."""
    async with connection.transaction():
        await connection.execute(f"UPDATE fhir.job SET state = 'cancelled' WHERE id = $1 AND shard = {QUEUE}", job)
        await _forget_files(connection, job)


# ---- the worker's side ----------------------------------------------------------------------------------------------------


async def claim(connection: Any, worker: str) -> Job | None:
    """The oldest job that waits, or whose worker is silent; each attempt is counted."""
    sql = f"""UPDATE fhir.job SET state = 'running', worker = $1, beat = now(), attempts = attempts + 1
    WHERE shard = {QUEUE} AND id = (
      SELECT id FROM fhir.job WHERE shard = {QUEUE}
        AND (state = 'accepted' OR (state = 'running' AND beat < now() - $2::interval))
      ORDER BY created LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_JOB}"""
    record = await connection.fetchrow(sql, worker, LEASE)
    return _job(record) if record else None


async def take(connection: Any, job: str, worker: str) -> None:
    """A job that was just made, by who has made it."""
    sql = f"""UPDATE fhir.job SET state = 'running', worker = $2, beat = now(), attempts = 1
    WHERE id = $1 AND shard = {QUEUE} AND state = 'accepted'"""
    await connection.execute(sql, job, worker)


async def beat(connection: Any, job: str, worker: str) -> None:
    """To be called first in the transaction of a step: it locks the job until the step is committed."""
    sql = f"""UPDATE fhir.job SET beat = now() WHERE id = $1 AND shard = {QUEUE} AND worker = $2 AND state = 'running'
    RETURNING 1"""
    if await connection.fetchval(sql, job, worker) is None:
        raise LeaseLostError(job)


async def planned(connection: Any, job: str, moment: datetime) -> None:
    """The list of what is to be done is complete."""
    sql = f"""UPDATE fhir.job SET moment = $2, done = 0,
      total = (SELECT coalesce(sum(total), 0) FROM fhir.job_part p WHERE p.job = $1 AND p.shard = $3)
    WHERE id = $1 AND shard = {QUEUE}"""
    await connection.execute(sql, job, moment, shard_of(job))


async def next_part(connection: Any, job: str) -> Part | None:
    sql = """SELECT number, kind, type, coalesce(ids, '{}') AS ids, coalesce(versions, '{}') AS versions,
      coalesce(content, '') AS content, first, total, done
    FROM fhir.job_part WHERE job = $1 AND shard = $2 AND done < total ORDER BY number LIMIT 1"""
    record = await connection.fetchrow(sql, job, shard_of(job))
    return Part(**record) if record else None


async def advance(connection: Any, job: str, part: Part, count: int, tally: dict[str, int]) -> None:
    """`count` more of the part are done; a part that is done holds nothing any longer. Attempts count until something is done."""
    await connection.execute(
        """UPDATE fhir.job_part SET done = done + $4,
          ids = CASE WHEN done + $4 < total THEN ids END, versions = CASE WHEN done + $4 < total THEN versions END,
          content = CASE WHEN done + $4 < total THEN content END
        WHERE job = $1 AND shard = $2 AND number = $3""",
        job,
        shard_of(job),
        part.number,
        count,
    )
    sql = f"UPDATE fhir.job SET done = done + $2, tally = $3, attempts = 0 WHERE id = $1 AND shard = {QUEUE}"
    await connection.execute(sql, job, count, msgspec.json.encode(tally).decode())


async def add_file(connection: Any, job: str, kind: FileKind, type_: str, lines: int, size: int, body: bytes) -> None:
    await connection.execute(
        """INSERT INTO fhir.job_file (job, shard, number, kind, type, lines, bytes, content)
        SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7 FROM fhir.job_file WHERE job = $1 AND shard = $2""",
        job,
        shard_of(job),
        kind,
        type_,
        lines,
        size,
        body,
    )


async def append(connection: Any, job: str, kind: FileKind, type_: str, lines: int, body: bytes, most: int) -> bool:
    """Add to the last file of the kind while it is small: one gzip stream behind another is one file (RFC 1952 §2.2)."""
    sql = """UPDATE fhir.job_file SET lines = lines + $5, content = content || $6
    WHERE job = $1 AND shard = $2 AND kind = $3 AND type = $4 AND length(content) < $7 AND number = (
      SELECT max(number) FROM fhir.job_file WHERE job = $1 AND shard = $2 AND kind = $3)
    RETURNING 1"""
    return await connection.fetchval(sql, job, shard_of(job), kind, type_, lines, body, most) is not None


async def finish(connection: Any, job: str, worker: str, keep: timedelta, failure: str | None = None) -> None:
    """Completed, or failed for good; the files of a failed job go."""
    async with connection.transaction():
        await beat(connection, job, worker)
        sql = f"""UPDATE fhir.job SET state = $2, failure = $3, expires = now() + $4::interval, beat = NULL
        WHERE id = $1 AND shard = {QUEUE}"""
        await connection.execute(sql, job, "failed" if failure else "completed", failure, keep)
        if failure:
            await _forget_files(connection, job)


async def release(connection: Any, job: str, worker: str) -> None:
    """Give it back: another worker need not wait until this one is taken for dead."""
    sql = f"""UPDATE fhir.job SET state = 'accepted', worker = NULL WHERE id = $1 AND shard = {QUEUE} AND worker = $2
    AND state = 'running'"""
    await connection.execute(sql, job, worker)


async def forget_expired(connection: Any, keep: timedelta) -> None:
    """Of jobs that nobody may ask for any longer nothing stays but the audit."""
    sql = f"""DELETE FROM fhir.job WHERE shard = {QUEUE} AND (expires < now() OR (state = 'cancelled' AND created < now() - $1::interval))
    RETURNING id"""
    for record in await connection.fetch(sql, keep):
        await _forget_files(connection, record["id"])


async def _forget_files(connection: Any, job: str) -> None:
    for table in ("job_part", "job_file"):
        await connection.execute(f"DELETE FROM fhir.{table} WHERE job = $1 AND shard = $2", job, shard_of(job))


def _owner(caller: Caller) -> str:
    """Whose a job is: people who share an app do not share their jobs."""
    return msgspec.json.encode([caller.client, caller.organization, caller.practitioner]).decode()


def _column(job: Job, name: str) -> Any:
    value = getattr(job, name)
    return msgspec.json.encode(value).decode() if name in ("caller", "tally") else value


def _job(record: Any) -> Job:
    values = dict(record)
    values["caller"] = msgspec.json.decode(values["caller"], type=Caller)
    values["tally"] = msgspec.json.decode(values["tally"], type=dict[str, int])
    return Job(**values)
