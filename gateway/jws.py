"""Compact JWS (RFC 7515) with python-jose behind two functions: it signs and verifies, every other check is ours.

https://www.rfc-editor.org/rfc/rfc7515#section-7.1
"""

import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jiter
import msgspec
from jose import jwk
from jose.backends.base import Key
from jose.exceptions import JOSEError
from jose.utils import base64url_decode, base64url_encode

MAX_HEADER_BYTES = 8192
MAX_TOKEN_BYTES = 32_768
# Which of them is taken from whom, settings say; nothing here is symmetric.
KEY_TYPES: Mapping[str, str] = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "ES256": "EC", "ES384": "EC"}
CURVES: Mapping[str, str] = {"ES256": "P-256", "ES384": "P-384"}
_SEGMENTS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


class JwsError(Exception):
    """A text that is not a signed token in the form we take; the message holds no part of it."""


class Compact(msgspec.Struct, frozen=True):
    """A token taken apart. Nothing in it is trusted before `is_signed_by` said yes."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def open_compact(token: str) -> Compact:
    """Take a token apart, or raise JwsError: three parts (so no JWE), strict JSON, no key or extension in the header."""
    if len(token) > MAX_TOKEN_BYTES or not _SEGMENTS.fullmatch(token):
        raise JwsError("expected a compact JWS of three base64url parts")
    header_part, claims_part, signature_part = token.split(".")
    if len(header_part) > MAX_HEADER_BYTES:
        raise JwsError("the header is larger than 8 KiB")
    header = _json_object(header_part, "header")
    for name in ("jku", "x5u", "jwk", "crit", "b64"):
        if name in header:
            raise JwsError(f"the header parameter {name} is not taken")
    signed = token.rpartition(".")[0].encode()
    return Compact(header, _json_object(claims_part, "claims"), signed, _decode(signature_part))


def is_signed_by(token: Compact, key: Mapping[str, Any], algorithm: str) -> bool:
    """Tell whether `key` (a public JWK) made the signature with `algorithm`, which comes from our configuration."""
    if token.header.get("alg") != algorithm or KEY_TYPES[algorithm] != key.get("kty"):
        return False
    try:
        return bool(
            _public_key(msgspec.json.encode(key, order="sorted"), algorithm).verify(token.signed, token.signature)
        )
    except (JOSEError, ValueError, TypeError):
        return False


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], private_key: str, algorithm: str) -> str:
    """Return the compact JWS; `private_key` in PEM."""
    parts = (msgspec.json.encode({"alg": algorithm, **header}), msgspec.json.encode(claims))
    signed = b".".join(base64url_encode(part) for part in parts)
    signature = _private_key(private_key, algorithm).sign(signed)
    return f"{signed.decode()}.{base64url_encode(signature).decode()}"


@lru_cache(maxsize=1024)
def _public_key(key: bytes, algorithm: str) -> Key:
    return jwk.construct(msgspec.json.decode(key), algorithm)


@lru_cache(maxsize=16)
def _private_key(pem: str, algorithm: str) -> Key:
    return jwk.construct(pem, algorithm)


def _decode(part: str) -> bytes:
    try:
        return bytes(base64url_decode(part.encode()))
    except (binascii.Error, ValueError) as error:
        raise JwsError("a part is not base64url") from error


def _json_object(part: str, name: str) -> dict[str, Any]:
    try:
        value = jiter.from_json(_decode(part), catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        raise JwsError(f"the {name} are not one JSON object") from error
    if not isinstance(value, dict):
        raise JwsError(f"the {name} are not one JSON object")
    return value
