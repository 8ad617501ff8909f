"""From lines of NDJSON to what is to be written: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from services.fhir.bulk.chunk import Chunk
from services.fhir.bulk.export_run import compressed
from services.fhir.bulk.job import Part
from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import FhirError
from services.fhir.validation import parse
from services.fhir.within_scopes import check_some
from services.kit.caller import Caller

NDJSON: Final = frozenset({"application/fhir+ndjson", "application/ndjson", "application/x-ndjson"})
PART: Final = 1000  # lines kept in one row
_NEEDED: Final = {"PUT": "cu", "POST": "c"}


def lines_of(text: bytes) -> list[bytes]:
    """Only line feeds end a line: http://ndjson.org"""
    return text.removesuffix(b"\n").split(b"\n")


def parts_of(lines: Sequence[bytes], first: int) -> Iterator[Part]:
    """Lines keep the number that they have in their input, where the first one has the number `first`."""
    for start in range(0, len(lines), PART):
        piece = lines[start : start + PART]
        if any(line.strip() for line in piece):
            yield Part(0, "input", "", [], [], compressed(piece), first + start, len(piece), 0)


def numbered(parts: Iterator[Part]) -> list[Part]:
    return [msgspec.structs.replace(part, number=n) for n, part in enumerate(parts, 1)]


def read_lines(lines: Sequence[bytes], first: int, caller: Caller) -> Chunk:
    """Up to the line that names a resource which a line before it names too: it must see what that one has written."""
    chunk = Chunk({}, {}, len(lines))
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            intent = _intent(line, caller)
        except FhirError as error:
            chunk.refusals[number] = error
            continue
        if (intent.type, intent.id) in seen:
            return msgspec.structs.replace(chunk, count=number - first)
        if intent.id:
            seen.add((intent.type, intent.id))
        chunk.intents[number] = intent
    return chunk


def _intent(line: bytes, caller: Caller) -> Intent:
    """With an id a line is an update, which creates where there is nothing: so taking it in again changes nothing."""
    resource = parse(line, None)
    name, resource_id = resource["resourceType"], resource.get("id")
    method, known = ("PUT", resource_id) if isinstance(resource_id, str) else ("POST", "")
    needed = _NEEDED[method]
    check_some(caller, name, needed)
    return Intent(method, name, known, line)  # type: ignore[arg-type]
