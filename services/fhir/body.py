"""The stored text of a resource: as it was sent, with the server's `id`, `versionId` and `lastUpdated` spliced in (docs/adr/0003).

No value is parsed and written again, so decimals keep their digits and dates their zones: http://hl7.org/fhir/R4/json.html#primitive
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import jiter
import msgspec

from services.fhir.store.rows import instant

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_values: Final = jiter.from_json
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
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


def spliced(body: bytes, said: Mapping[str, Any]) -> bytes:
    """The text of `said`, in which every member that is as in `body` keeps its bytes."""
    raw, sent = _members.decode(body), _values(body, float_mode="decimal")
    kept = {name: raw[name] for name in raw if name in said and said[name] == sent[name]}
    return _encode({name: kept.get(name, value) for name, value in said.items()})


def with_reference(body: bytes, element: str, target: str) -> bytes:
    """The Reference of an element, which is a valid one with none in it, leads to `Type/id`; all else keeps its bytes."""
    members = _members.decode(body)
    inner = bytes(members[element]).decode().strip()
    members[element] = msgspec.Raw(f'{{"reference":"{target}",{inner[1:]}'.encode())
    return f"{{{_joined(members)[1:]}}}".encode()


def pretty(body: bytes) -> bytes:
    """The same JSON for human eyes, digits and escapes as they are: http://hl7.org/fhir/R4/http.html#parameters"""
    return msgspec.json.format(body, indent=2) if body else body


def _joined(members: dict[str, msgspec.Raw]) -> str:
    return "".join([f',"{name}":{bytes(value).decode()}' for name, value in members.items()])
