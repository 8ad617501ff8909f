"""The work of an import: take in the lines, a few hundred in one commit with how far it is and what came of each (docs/adr/0015).

A line is written as a PUT or a POST would write it: prepared by the owner of its type, under the scopes of who asked, with its audit row.
A line that is refused says why and stops no other.
"""

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from services.fhir import audit
from services.fhir.body import stamp
from services.fhir.bulk.export_run import compressed
from services.fhir.bulk.job import FileKind, Job, Part
from services.fhir.bulk.line_outcomes import Verb, done_line, refused_line
from services.fhir.bulk.lines import Chunk, read_lines
from services.fhir.bulk.prepare_each import prepare_each
from services.fhir.interactions.commit import put
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import Prepared
from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.fhir.store import jobs
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store

CHUNK: Final = 250
MAX_OUTCOMES: Final = 1_000_000  # bytes of a compressed file of outcomes, behind which another begins

_OUTCOME: Final = "OperationOutcome"


async def run(job: Job, worker: str, service: Service) -> None:
    """From wherever it stands to the last line; LeaseLostError when the job is no longer this worker's."""
    taking = _Import(job, worker, service)
    while True:
        async with service.stores.database.connection() as connection:
            part = await jobs.next_part(connection, job.id)
        if part is None:
            return
        lines = await asyncio.to_thread(gzip.decompress, part.content)
        await taking.step(part, lines.split(b"\n")[part.done :])


class Results(msgspec.Struct):
    """What came of the lines of one commit, and how many lines came to what in the whole job."""

    tally: dict[str, int]
    done: list[str] = []
    refused: list[str] = []

    def add(self, number: int, verb: Verb, stored: Stored) -> None:
        self.done.append(done_line(number, verb, stored))
        self.tally[verb] = self.tally.get(verb, 0) + 1

    def refuse(self, refusals: Mapping[int, FhirError], intents: Mapping[int, Intent]) -> None:
        for number, error in sorted(refusals.items()):
            intent = intents.get(number)
            self.refused.append(refused_line(number, error, intent.type if intent else ""))
            self.tally["refused"] = self.tally.get("refused", 0) + 1


class _Import:
    """One job in the hands of one worker."""

    def __init__(self, job: Job, worker: str, service: Service) -> None:
        self._job = job
        self._worker = worker
        self._service = service
        self._tally = job.tally

    async def step(self, part: Part, lines: Sequence[bytes]) -> None:
        """Where other writers keep coming first, line by line, so that one busy resource holds up no other."""
        first = part.first + part.done
        try:
            await self._commit(part, read_lines(lines[:CHUNK], first, self._job.caller))
        except FhirError:
            try:
                await self._commit(part, read_lines(lines[:1], first, self._job.caller))
            except FhirError as error:
                await self._commit(part, Chunk({}, {first: error}, 1))

    async def _commit(self, part: Part, chunk: Chunk) -> None:
        self._tally = await self._service.stores.retrying(lambda: self._attempt(part, chunk))

    async def _attempt(self, part: Part, chunk: Chunk) -> dict[str, int]:
        results = Results(dict(self._tally))
        same = await self._service.stores.reading(lambda store: _unchanged(chunk.intents, store))
        meant = {n: intent for n, intent in chunk.intents.items() if n not in same}
        prepared, late = await prepare_each(meant, self._job.caller, self._service)
        results.refuse({**chunk.refusals, **late}, chunk.intents)

        async def work(store: Store) -> None:
            self._put(prepared, same, results, store)
            await store.commit_after(
                lambda inside: inside.reading(lambda s: s.run(self._note, part, chunk.count, results))
            )

        await self._service.stores.committing_once(work)
        return results.tally

    def _put(self, prepared: Prepared, same: Mapping[int, Stored], results: Results, store: Store) -> None:
        """A version for each line, but for those that say what is there already."""
        now = self._service.clock.now()
        for number, stored in sorted({**same, **put(store, prepared, self._service)}.items()):
            if stored is None:
                continue
            if number in same:
                results.add(number, "unchanged", stored)
                continue
            interaction, status = ("create", 201) if stored.is_created else ("update", 200)
            store.audit(audit.row(now, self._job.caller, interaction, status, stored.type, stored.id, of=stored))
            results.add(number, "created" if stored.is_created else "updated", stored)

    async def _note(self, connection: Any, part: Part, count: int, results: Results) -> None:
        """The part of the commit that makes it count once."""
        await jobs.beat(connection, self._job.id, self._worker)
        for kind, lines in (("output", results.done), ("error", results.refused)):
            if lines:
                await self._keep(connection, kind, lines)  # type: ignore[arg-type]
        await jobs.advance(connection, self._job.id, part, count, results.tally)

    async def _keep(self, connection: Any, kind: FileKind, lines: Sequence[str]) -> None:
        content = compressed(map(str.encode, lines))
        if not await jobs.append(connection, self._job.id, kind, _OUTCOME, len(lines), content, MAX_OUTCOMES):
            size = sum(map(len, lines))
            await jobs.add_file(connection, self._job.id, kind, _OUTCOME, len(lines), size, content)


async def _unchanged(intents: Mapping[int, Intent], store: Store) -> dict[int, Stored]:
    """What is there of the lines that say the same: of these nothing is written, and nobody has to decide on them."""
    ids: dict[str, list[str]] = {}
    for intent in intents.values():
        if intent.method == "PUT":
            ids.setdefault(intent.type, []).append(intent.id)
    current = {(s.type, s.id): s for t, wanted in ids.items() for s in await store.read_many(t, wanted)}
    there = {n: current.get((each.type, each.id)) for n, each in intents.items() if each.method == "PUT"}
    return {n: stored for n, stored in there.items() if stored and _says_the_same(intents[n], stored)}


def _says_the_same(intent: Intent, stored: Stored) -> bool:
    """Byte for byte, but for what the server itself says in `meta`; what is no resource is not the same as one."""
    try:
        return stamp(intent.body, stored.type, stored.id, stored.version, stored.updated) == stored.body
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
