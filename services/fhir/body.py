"""The stored text of a resource: as it was sent, with the server's `id`, `versionId` and `lastUpdated` spliced in (docs/adr/0003).

No value is parsed and written again, so decimals keep their digits and dates their zones: http://hl7.org/fhir/R4/json.html#primitive
"""

from datetime import datetime
from typing import Final

import msgspec

from services.fhir.store.rows import instant

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SERVER_META: Final = ("versionId", "lastUpdated")


def stamp(body: bytes, resource_type: str, resource_id: str, version: int, updated: datetime) -> str:
    """`body` has been validated: its member names need no escaping and `meta`, if there, is an object."""
    members = _members.decode(body)
    meta = members.pop("meta", None)
    kept = _members.decode(meta) if meta is not None else {}
    for name in _SERVER_META:
        kept.pop(name, None)
    head = (
        f'{{"resourceType":"{resource_type}","id":"{resource_id}",'
        f'"meta":{{"versionId":"{version}","lastUpdated":"{instant(updated)}"{_joined(kept)}}}'
    )
    for name in ("resourceType", "id"):
        members.pop(name, None)
    return f"{head}{_joined(members)}}}"


def pretty(body: bytes) -> bytes:
    """The same JSON for human eyes, digits and escapes as they are: http://hl7.org/fhir/R4/http.html#parameters"""
    return msgspec.json.format(body, indent=2) if body else body


def _joined(members: dict[str, msgspec.Raw]) -> str:
    return "".join([f',"{name}":{bytes(value).decode()}' for name, value in members.items()])
