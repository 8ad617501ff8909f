"""JSON whose numbers keep their text, so that a patch of one element leaves the digits of all others (docs/adr/0003).

A number is a `msgspec.Raw` of its own bytes; everything else is plain Python.
"""

import json
from decimal import Decimal
from typing import Any, Final

import jiter
import msgspec

from services.fhir.outcomes import bad_request

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(text: bytes) -> Any:
    """Raise FhirError 400 for what is not JSON, and for what FHIR's JSON may not have: http://hl7.org/fhir/R4/json.html"""
    try:
        jiter.from_json(text, catch_duplicate_keys=True, float_mode="decimal", allow_inf_nan=False)
        return json.loads(text, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        raise bad_request("The patch is not JSON", code="structure", text="补丁不是有效的 JSON") from None


def write(value: Any) -> bytes:
    return msgspec.json.encode(value)


def spliced(body: bytes, before: dict[str, Any], after: dict[str, Any]) -> bytes:
    """The text of `after`, where each top-level member that is as it was `before` keeps the bytes of `body`."""
    sent = _members.decode(body)
    kept = {
        name: sent[name] if name in before and same(before[name], value) else value for name, value in after.items()
    }
    return write(kept)


def same(one: Any, other: Any) -> bool:
    """Whether both would be written alike; the order of an object's members counts, as a reader may see it."""
    return write(one) == write(other)


def equal(one: Any, other: Any) -> bool:
    """https://www.rfc-editor.org/rfc/rfc6902#section-4.6: numbers by value, objects whatever the order of their members."""
    if isinstance(one, msgspec.Raw) and isinstance(other, msgspec.Raw):
        return Decimal(bytes(one).decode()) == Decimal(bytes(other).decode())
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def integer(value: Any) -> int | None:
    """The number as an int, None for anything else."""
    text = bytes(value).decode() if isinstance(value, msgspec.Raw) else ""
    return int(text) if text.lstrip("-").isdecimal() else None


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())
