"""The opaque place in a page link: the sort keys of the page's last row, sealed for this query (docs/adr/0007).

A page continues behind that row, so no row comes twice and none is missed, whatever is written meanwhile.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.fhir.outcomes import bad_request

_MAC_BYTES: Final = 16


def seal(values: Sequence[Any], query: str, key: bytes) -> str:
    """`query` is the text of all that the page depends on but the place itself."""
    payload = msgspec.json.encode([_plain(v) for v in values])
    return base64.urlsafe_b64encode(_mac(payload, query, key) + payload).decode().rstrip("=")


def unseal(cursor: str, query: str, kinds: Sequence[str], key: bytes) -> list[Any]:
    """The values in the SQL types `kinds`; 400 for a cursor that this server did not make for this query."""
    try:
        sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        sealed = b""
    mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(payload, query, key)):
        raise bad_request("_cursor: not a page link of this search", code="value", text="翻页链接无效")
    return [_typed(v, kind) for v, kind in zip(msgspec.json.decode(payload), kinds, strict=True)]


def _mac(payload: bytes, query: str, key: bytes) -> bytes:
    return hmac.digest(key, b"page\0" + query.encode() + b"\0" + payload, "sha256")[:_MAC_BYTES]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, Decimal) else value


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        return None
    return datetime.fromisoformat(value) if kind == "timestamptz" else Decimal(value) if kind == "numeric" else value
