"""One-time passwords by time, as every authenticator app makes them.

https://www.rfc-editor.org/rfc/rfc6238 · https://github.com/google/google-authenticator/wiki/Key-Uri-Format
"""

import base64
import hmac
import secrets
from typing import Final
from urllib.parse import quote

STEP_SECONDS: Final = 30
DIGITS: Final = 6
_AROUND: Final = (0, -1, 1)  # a clock may be half a minute off


def new_secret() -> str:
    """Return 160 random bits in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(secret: str, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step, that is `seconds // 30` (RFC 4226 §5.3, SHA-1)."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(secret: str, code: str, now: float, last_step: int) -> int | None:
    """Return the step that a code belongs to, None for a wrong one or one not newer than the last that was used."""
    current = int(now) // STEP_SECONDS
    for step in (current + offset for offset in _AROUND):
        if step > last_step and hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            return step
    return None


def key_uri(secret: str, issuer: str, name: str) -> str:
    """Return what an authenticator app takes as a QR code or a link."""
    return f"otpauth://totp/{quote(issuer)}:{quote(name)}?secret={secret}&issuer={quote(issuer)}"
