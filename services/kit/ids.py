"""Identifiers: time-ordered UUIDs (RFC 9562, version 7) and request ids that are safe to log and to sign.

https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

import re
import secrets
import time

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def uuid7() -> str:
    """Return a new UUIDv7: it sorts by the millisecond of its making, so a btree on it grows at one end."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (
        (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    return uuid_text(value)


def uuid_text(value: int) -> str:
    """The form of RFC 9562 §4, without the object that `uuid` makes first."""
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_request_id(text: str) -> bool:
    """Tell whether a request id sent from outside may be kept: short, and nothing that a log or a header could trip on."""
    return _REQUEST_ID.fullmatch(text) is not None
