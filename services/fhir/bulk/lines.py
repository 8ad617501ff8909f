"""From lines of NDJSON to what is to be written: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import FhirError, forbidden
from services.fhir.scopes import permissions
from services.fhir.validation import parse
from services.kit.caller import Caller

_NEEDED: Final = {"PUT": "cu", "POST": "c"}


class Chunk(msgspec.Struct, frozen=True):
    """By line number: what each line wants written, or why it is refused. `count` lines were read, empty ones too."""

    intents: dict[int, Intent]
    refusals: dict[int, FhirError]
    count: int


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
    if not permissions(caller.scopes).allow(name, _NEEDED[method]):
        raise forbidden(f"The token's scopes do not cover {name}.{_NEEDED[method]}", text="令牌权限不足")
    return Intent(method, name, known, line)  # type: ignore[arg-type]
