"""Take lines in, a few hundred in one commit with how far it is and what came of each (docs/adr/0015).

What $import and $ingest have in common: a line is prepared by the owner of its type and written as far as who asked may, with its audit row.
A line that is refused says why, is taken out, and stops no other.
"""

import asyncio
import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from services.fhir import audit
from services.fhir.bulk.chunk import Chunk, Settled, Told
from services.fhir.bulk.export_run import compressed
from services.fhir.bulk.job import FileKind, Job, Part
from services.fhir.bulk.line_outcomes import Verb
from services.fhir.bulk.prepare_each import Refusals, prepare_each
from services.fhir.interactions.commit import put
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import Prepared
from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.fhir.store import grants, jobs, standing
from services.fhir.store.grants import WriteRefused
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store

CHUNK: Final = 250
MAX_OUTCOMES: Final = 1_000_000  # bytes of a compressed file of what is told, behind which another begins


class Way(Protocol):
    """How lines become writes, how what is there already is known again, and how is told what came of each.

    `type` is the resource type of the files that tell it.
    """

    type: str

    def read(self, lines: Sequence[bytes], first: int) -> Chunk: ...

    async def settle(self, chunk: Chunk, first: int, store: Store) -> Settled: ...

    def done(self, number: int, verb: Verb, stored: Stored) -> Told: ...

    def refused(self, number: int, error: FhirError, resource_type: str) -> Told: ...


class _RefusedLine(Exception):  # noqa: N818 - the state it names
    """The commit refuses one of its lines."""

    def __init__(self, number: int, error: FhirError) -> None:
        super().__init__(number)
        self.number = number
        self.error = error


class Taking:
    """One job in the hands of one worker."""

    def __init__(self, job: Job, worker: str, service: Service, way: Way) -> None:
        self._job = job
        self._worker = worker
        self._service = service
        self._way = way
        self._tally = job.tally

    async def run(self) -> None:
        """From wherever it stands to the last line; LeaseLostError when the job is no longer this worker's."""
        while True:
            async with self._service.stores.database.connection() as connection:
                part = await jobs.next_part(connection, self._job.id)
            if part is None:
                return
            lines = (await asyncio.to_thread(gzip.decompress, part.content)).split(b"\n")
            while part.done < part.total:
                count = await self._step(part, lines[part.done :])
                part = msgspec.structs.replace(part, done=part.done + count)

    async def _step(self, part: Part, lines: Sequence[bytes]) -> int:
        """Where other writers keep coming first, line by line, so that one busy resource holds up no other."""
        first = part.first + part.done
        try:
            return await self._commit(part, self._way.read(lines[:CHUNK], first))
        except FhirError:
            try:
                return await self._commit(part, self._way.read(lines[:1], first))
            except FhirError as error:
                return await self._commit(part, Chunk({}, {first: error}, 1))

    async def _commit(self, part: Part, chunk: Chunk) -> int:
        """What the commit itself refuses is taken out, and the rest is committed."""
        out: Refusals = {}
        while True:
            try:
                return await self._service.stores.retrying(partial(self._attempt, part, chunk, out))
            except _RefusedLine as refused:
                out = {**out, refused.number: refused.error}

    async def _attempt(self, part: Part, chunk: Chunk, out: Refusals) -> int:
        first = part.first + part.done
        settled = await self._service.stores.reading(lambda store: self._way.settle(chunk, first, store))
        prepared, refusals = await self._prepared({n: i for n, i in settled.intents.items() if n not in out})
        refused = {
            n: error for n, error in {**settled.refusals, **out, **refusals}.items() if n < first + settled.count
        }
        told = {n: self._way.refused(n, error, chunk.type_of(n)) for n, error in refused.items()}

        async def work(store: Store) -> None:
            told.update(self._put(prepared, settled, store))
            await store.commit_after(
                lambda inside: inside.reading(lambda s: s.run(self._note, part, settled.count, told))
            )

        try:
            await self._service.stores.committing_once(work)
        except WriteRefused as error:
            raise _named(error, prepared) from error
        self._tally = self._counted(told)
        return settled.count

    async def _prepared(self, intents: Mapping[int, Intent]) -> tuple[Prepared, Refusals]:
        """Without those that name a patient out of reach: all of them are found here, and the commit need not meet them one by one."""
        prepared, refusals = await prepare_each(intents, self._job.caller, self._service)
        writes = [write for write in prepared.writes.values() if write]
        access = self._service.stores.access
        found = await self._service.stores.reading(lambda store: store.run(standing.look, writes, access))
        unknown = [_named(each, prepared) for each in grants.unknown_references(writes, found, access)]
        if unknown:
            refusals |= {line.number: line.error for line in unknown}
            rest = {n: intent for n, intent in intents.items() if n not in refusals}
            prepared, more = await prepare_each(rest, self._job.caller, self._service)
            refusals |= more
        return prepared, refusals

    def _put(self, prepared: Prepared, settled: Settled, store: Store) -> Iterator[tuple[int, Told]]:
        """A version for each line, but for those that say what is there already."""
        now = self._service.clock.now()
        for number, (verb, stored) in settled.known.items():
            yield number, self._way.done(number, verb, stored)
        for number, made in put(store, prepared, self._service).items():
            if made is None:
                continue
            interaction, status = ("create", 201) if made.is_created else ("update", 200)
            store.audit(audit.row(now, self._job.caller, interaction, status, made.type, made.id, of=made))
            store.claim(
                *(msgspec.structs.replace(c, made=f"{made.type}/{made.id}") for c in settled.claims.get(number, ()))
            )
            yield number, self._way.done(number, "created" if made.is_created else "updated", made)

    def _counted(self, told: Mapping[int, Told]) -> dict[str, int]:
        """How many lines came to what in the whole job."""
        return dict(Counter(self._tally) + Counter(each.verb for each in told.values()))

    async def _note(self, connection: Any, part: Part, count: int, told: Mapping[int, Told]) -> None:
        """The part of the commit that makes it count once."""
        await jobs.beat(connection, self._job.id, self._worker)
        ordered = [each for _, each in sorted(told.items())]
        kinds: tuple[FileKind, ...] = ("output", "error")
        for kind in kinds:
            if lines := [each.line for each in ordered if each.file == kind]:
                await self._keep(connection, kind, lines)
        await jobs.advance(connection, self._job.id, part, count, self._counted(told))

    async def _keep(self, connection: Any, kind: FileKind, lines: Sequence[str]) -> None:
        content, name = compressed(map(str.encode, lines)), self._way.type
        if not await jobs.append(connection, self._job.id, kind, name, len(lines), content, MAX_OUTCOMES):
            size = sum(map(len, lines))
            await jobs.add_file(connection, self._job.id, kind, name, len(lines), size, content)


def _named(refused: WriteRefused, prepared: Prepared) -> _RefusedLine:
    meant = refused.write.type, refused.write.id
    for number, write in prepared.writes.items():
        if write is not None and (write.type, write.id) == meant:
            return _RefusedLine(number, refused)
    raise refused  # what was decided beside a line can't be: all of them, one by one
