"""Some lines on their way: what they want written, what of it is there already, what came of each (docs/adr/0037)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.fhir.bulk.job import FileKind
from services.fhir.bulk.line_outcomes import Verb
from services.fhir.bulk.prepare_each import Refusals
from services.fhir.interactions.intent import Intent
from services.fhir.store.rows import Claim, Stored

Json = dict[str, Any]


class Chunk(msgspec.Struct, frozen=True):
    """By line number: what each line wants written, the same parsed, or why it is refused. `count` lines were read, empty ones too."""

    intents: dict[int, Intent]
    refusals: Refusals
    count: int
    resources: dict[int, Json] = {}

    def type_of(self, number: int) -> str:
        intent = self.intents.get(number)
        return intent.type if intent else ""


class Settled(msgspec.Struct, frozen=True):
    """What of a chunk is to be written, under which claims; what is there already; what is refused; and of how many lines that is said."""

    intents: dict[int, Intent]
    known: dict[int, tuple[Verb, Stored]]
    refusals: Refusals
    count: int
    claims: Mapping[int, tuple[Claim, ...]] = {}


class Told(msgspec.Struct, frozen=True):
    """What came of one line, as a line of a file of the job; `verb` is counted."""

    file: FileKind
    verb: str
    line: str
