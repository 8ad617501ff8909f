"""The work of an ingest: each entry is stored once, however often it is sent (docs/adr/0037)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.fhir.bulk.chunk import Chunk, Settled, Told
from services.fhir.bulk.job import Job
from services.fhir.bulk.line_outcomes import Verb
from services.fhir.bulk.prepare_each import Refusals
from services.fhir.bulk.receipts import done_entry, refused_entry
from services.fhir.bulk.recognition import marks_of, numbers_in
from services.fhir.bulk.subjects import Named, Subjects
from services.fhir.bulk.taking import Taking
from services.fhir.bulk.there import Entry, look
from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import FhirError
from services.fhir.scopes import CREATE
from services.fhir.search.query import TokenValue
from services.fhir.service import Service
from services.fhir.store.rows import Claim, Stored
from services.fhir.store.store import Store
from services.fhir.validation import parse, validate
from services.fhir.within_scopes import check_whole

Json = dict[str, Any]


async def run(job: Job, worker: str, service: Service) -> None:
    await Taking(job, worker, service, _Ingest(job, service)).run()


class _Ingest:
    """Nothing that is there is ever replaced: an entry is new, or there already, or contradicts what is there."""

    type = "Bundle"

    def __init__(self, job: Job, service: Service) -> None:
        self._job = job
        self._service = service
        self._subjects = Subjects(job.caller, service.base)

    def read(self, lines: Sequence[bytes], first: int) -> Chunk:
        chunk = Chunk({}, {}, len(lines))
        for number, line in enumerate(lines, first):
            if not line.strip():
                continue
            try:
                resource = parse(line, None)
                check_whole(self._job.caller, resource["resourceType"], CREATE)
                validate(resource)
            except FhirError as error:
                chunk.refusals[number] = error
                continue
            chunk.intents[number] = Intent("POST", resource["resourceType"], body=line)
            chunk.resources[number] = resource
        return chunk

    async def settle(self, chunk: Chunk, first: int, store: Store) -> Settled:
        """The turns of the claims are read before one looks: who comes between is noticed by the commit (docs/adr/0012)."""
        refusals = dict(chunk.refusals)
        named = await self._named(chunk, refusals, store)
        entries, end = self._entries(chunk, named, refusals)
        claims = await store.turns(sorted({key for each in entries.values() for key in each.marks.claims}))
        there = await look(entries.values(), claims, store, self._service)
        intents, known = dict[int, Intent](), dict[int, tuple[Verb, Stored]]()
        for number, entry in entries.items():
            try:
                found = there.known(entry, is_governed=self._service.governs(entry.intent.type))
            except FhirError as error:
                refusals[number] = error
                continue
            if found is None:
                intents[number] = entry.intent
            else:
                known[number] = found
        count = chunk.count if end is None else end - first
        return Settled(intents, known, refusals, count, {n: _claims(entries[n], claims) for n in intents})

    def done(self, number: int, verb: Verb, stored: Stored) -> Told:
        return Told("output", verb, done_entry(number, verb, stored))

    def refused(self, number: int, error: FhirError, resource_type: str) -> Told:
        return Told("output", "refused", refused_entry(number, error, resource_type, form=self._job.asked))

    async def _named(self, chunk: Chunk, refusals: Refusals, store: Store) -> dict[int, tuple[Named, ...]]:
        """The people whom the entries name, looked for at once."""
        named: dict[int, tuple[Named, ...]] = {}
        for number, resource in chunk.resources.items():
            try:
                named[number] = self._subjects.named_in(resource, chunk.intents[number].body)
            except FhirError as error:
                refusals[number] = error
        try:
            await self._subjects.find({each.who for several in named.values() for each in several}, store)
        except FhirError as error:  # the token does not let one look for people
            refusals |= {number: error for number, several in named.items() if several}
        return named

    def _entries(
        self, chunk: Chunk, named: Mapping[int, Sequence[Named]], refusals: Refusals
    ) -> tuple[dict[int, Entry], int | None]:
        """Up to the one that rests on what an entry before it brings, which must be stored first; and its number."""
        entries: dict[int, Entry] = {}
        marks, people = set[str](), set[TokenValue]()
        for number, resource in chunk.resources.items():
            if number in refusals:
                continue
            if not people.isdisjoint(each.who for each in named[number]):
                return entries, number
            try:
                entry = self._entry(resource, chunk.intents[number], named[number])
            except FhirError as error:
                refusals[number] = error
                continue
            if not marks.isdisjoint(entry.marks.claims):
                return entries, number
            entries[number] = entry
            marks.update(entry.marks.claims)
            people |= numbers_in(resource) if entry.intent.type == "Patient" else set()
        return entries, None

    def _entry(self, resource: Json, intent: Intent, named: Sequence[Named]) -> Entry:
        """What the service's own rules call wrong, as $validate tells it, is refused here."""
        if wrong := tuple(issue for issue in self._service.advise(resource) if issue.severity == "error"):
            raise FhirError(422, wrong)
        if named:
            resource, body = self._subjects.referring(resource, intent.body, named)
            intent = msgspec.structs.replace(intent, body=body)
        intent = msgspec.structs.replace(intent, resource=resource)
        return Entry(
            intent, resource, marks_of(resource, self._job.caller.organization, self._service.base, self._service.zone)
        )


def _claims(entry: Entry, claims: Mapping[str, Claim]) -> tuple[Claim, ...]:
    return tuple(claims[key] for key in entry.marks.claims)
