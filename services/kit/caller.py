"""The Caller, signed: how a service knows, without asking anyone, for whom the gateway passed on this very request.

The header value is `caller;request id;issued at (ms);mac`, the mac being HMAC-SHA256 (RFC 2104) over these three, the
method, the target (path and query, as sent) and the SHA-256 of the body.

An internal key may be two, `first,second`: the first signs, both are accepted, so that one is exchanged for another while requests go on.
"""

import base64
import binascii
import hashlib
import hmac
from functools import lru_cache
from typing import Final

import msgspec

from services.kit.ids import is_request_id

HEADER = "x-yiyang-caller"
LIFE_MS = 30_000
AHEAD_MS = 5_000  # how far the signer's clock may run before ours
KEY_BYTES = 32

_DOMAIN = "yiyang caller 1"
_EMPTY_BODY = hashlib.sha256(b"").hexdigest()


class Caller(msgspec.Struct, frozen=True):
    """For whom a request is done: `client` and `organization` always, `practitioner` when a person is behind it."""

    client: str
    organization: str
    practitioner: str | None
    scopes: tuple[str, ...]
    purpose: str
    request_id: str
    jti: str


NOBODY: Final = Caller("", "", None, (), "", "", "")


class CallerRefusedError(Exception):
    """The header is missing, malformed, too old, or was not signed for this request with this key."""


class _Bearer(msgspec.Struct, frozen=True, array_like=True):
    """The part of a Caller that stays the same for every request under one token."""

    client: str
    organization: str
    practitioner: str | None
    scopes: tuple[str, ...]
    purpose: str
    jti: str


def sign(caller: Caller, method: str, target: str, body: bytes, key: bytes, now: float) -> str:
    """Return the header value that lets `caller` do this one request for `LIFE_MS`; `now` in seconds since 1970."""
    if not is_request_id(caller.request_id):
        raise ValueError("a request id that cannot be signed")
    bearer = _encode(caller.client, caller.organization, caller.practitioner, caller.scopes, caller.purpose, caller.jti)
    claim = f"{bearer};{caller.request_id};{int(now * 1000)}"
    return f"{claim};{_mac(claim, method, target, body, split_key(key)[0])}"


def verify(header: str, method: str, target: str, body: bytes, key: bytes, now: float) -> Caller:
    """Return the Caller that the gateway signed for exactly this request, or raise CallerRefusedError."""
    claim, _, mac = header.rpartition(";")
    if not header.isascii() or not any(
        hmac.compare_digest(mac, _mac(claim, method, target, body, one)) for one in split_key(key)
    ):
        raise CallerRefusedError("the caller is not signed for this request")
    bearer, request_id, issued = claim.split(";")
    age = now * 1000 - int(issued)
    if not -AHEAD_MS <= age <= LIFE_MS:
        raise CallerRefusedError("the signature of the caller has expired")
    known = _decode(bearer)
    return Caller(
        known.client, known.organization, known.practitioner, known.scopes, known.purpose, request_id, known.jti
    )


def check_key(key: bytes) -> bytes:
    """Return the key, or raise ValueError when it is too short or too plain to keep anyone out."""
    for one in split_key(key):
        if len(one) < KEY_BYTES or len(set(one)) < KEY_BYTES // 4:
            raise ValueError(f"the internal key needs {KEY_BYTES} random bytes or more")
    return key


@lru_cache(maxsize=8)
def split_key(key: bytes) -> tuple[bytes, ...]:
    """Return the key that signs, then the others that are accepted."""
    return tuple(key.split(b","))


def _mac(claim: str, method: str, target: str, body: bytes, key: bytes) -> str:
    # The target comes last: nothing before it can hold a line break, so no two requests share one message.
    digest = hashlib.sha256(body).hexdigest() if body else _EMPTY_BODY
    message = f"{_DOMAIN}\n{claim}\n{method}\n{digest}\n{target}"
    return hmac.digest(key, message.encode(), "sha256").hex()


@lru_cache(maxsize=4096)
def _encode(
    client: str, organization: str, practitioner: str | None, scopes: tuple[str, ...], purpose: str, jti: str
) -> str:
    bearer = _Bearer(client, organization, practitioner, scopes, purpose, jti)
    return base64.urlsafe_b64encode(msgspec.json.encode(bearer)).decode()


@lru_cache(maxsize=4096)
def _decode(bearer: str) -> _Bearer:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(bearer), type=_Bearer)
    except (binascii.Error, msgspec.DecodeError) as error:
        raise CallerRefusedError("the caller cannot be read") from error
