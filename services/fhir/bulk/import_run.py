"""The work of an import: each line as a PUT or a POST of its own (docs/adr/0015)."""

from collections.abc import Mapping, Sequence

import msgspec

from services.fhir.body import stamp
from services.fhir.bulk.chunk import Chunk, Settled, Told
from services.fhir.bulk.job import Job
from services.fhir.bulk.line_outcomes import Verb, done_line, refused_line
from services.fhir.bulk.lines import read_lines
from services.fhir.bulk.taking import Taking
from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.kit.caller import Caller


async def run(job: Job, worker: str, service: Service) -> None:
    await Taking(job, worker, service, _Import(job.caller)).run()


class _Import:
    """A line that says what is there already is not written again; one that is refused stands in a file of its own."""

    type = "OperationOutcome"

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def read(self, lines: Sequence[bytes], first: int) -> Chunk:
        return read_lines(lines, first, self._caller)

    async def settle(self, chunk: Chunk, _first: int, store: Store) -> Settled:
        same = await _unchanged(chunk.intents, store)
        meant = {n: intent for n, intent in chunk.intents.items() if n not in same}
        known: dict[int, tuple[Verb, Stored]] = {n: ("unchanged", stored) for n, stored in same.items()}
        return Settled(meant, known, chunk.refusals, chunk.count)

    def done(self, number: int, verb: Verb, stored: Stored) -> Told:
        return Told("output", verb, done_line(number, verb, stored))

    def refused(self, number: int, error: FhirError, resource_type: str) -> Told:
        return Told("error", "refused", refused_line(number, error, resource_type))


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
