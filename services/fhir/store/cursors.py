"""The opaque place in a page link: the sort keys of the page's last row, sealed for this query (docs/adr/0007).

A page continues behind that row, so no row comes twice and none is missed, whatever is written meanwhile. A sort key can be a person's name,
so the place is encrypted.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.fhir.outcomes import bad_request
from services.kit.caller import split_key
from services.kit.crypto import cipher_key, decrypt, encrypt

_CIPHER: Final = "aes-256-gcm"
_KEY_BYTES: Final = 32


def link_keys(internal_key: bytes) -> bytes:
    """The keys of page links behind each other: the first seals, all open, so that links outlive a step of the key's rotation."""
    return b"".join(cipher_key(_CIPHER, part, "page links") for part in split_key(internal_key))


def own_keys(keys: bytes, *whose: str) -> bytes:
    """Those of one caller."""
    said = "\0".join(whose).encode()
    return b"".join(hmac.digest(key, b"links of\0" + said, "sha256") for key in each_key(keys))


def each_key(keys: bytes) -> list[bytes]:
    return [keys[n : n + _KEY_BYTES] for n in range(0, len(keys), _KEY_BYTES)]


def seal(values: Sequence[Any], query: str, keys: bytes) -> str:
    """`query` is the text of all that the page depends on but the place itself."""
    return hide(msgspec.json.encode([_plain(v) for v in values]), query, keys)


def unseal(cursor: str, query: str, kinds: Sequence[str], keys: bytes) -> list[Any]:
    """The values in the SQL types `kinds`; 400 for a cursor that this server did not make for this query."""
    payload = shown(cursor, query, keys)
    if payload is None:
        raise bad_request("_cursor: not a page link of this search", code="value", text="翻页链接无效")
    return [_typed(v, kind) for v, kind in zip(msgspec.json.decode(payload), kinds, strict=True)]


def hide(payload: bytes, bound_to: str, keys: bytes) -> str:
    sealed = encrypt(_CIPHER, each_key(keys)[0], payload, _purpose(bound_to))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def shown(text: str, bound_to: str, keys: bytes) -> bytes | None:
    """None for what `hide` did not make of it with one of the keys."""
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    for key in each_key(keys):
        with suppress(ValueError):
            return decrypt(_CIPHER, key, sealed, _purpose(bound_to))
    return None


def _purpose(bound_to: str) -> bytes:
    return b"page\0" + bound_to.encode()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, Decimal) else value


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        return None
    return datetime.fromisoformat(value) if kind == "timestamptz" else Decimal(value) if kind == "numeric" else value
