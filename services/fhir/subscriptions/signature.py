"""How a receiver knows that a notification is ours: HMAC-SHA256 over the time and the body (RFC 2104).

The receiver computes it anew with the subscription's secret, compares in constant time, and refuses a time that is minutes away.
"""

import hmac
from typing import Final

TIMESTAMP: Final = "x-yiyang-timestamp"
SIGNATURE: Final = "x-yiyang-signature"


def signature_headers(secret: bytes, body: bytes, seconds: int) -> dict[str, str]:
    """`x-yiyang-signature: sha256=…`, hex, of `<seconds since 1970>.<body>`."""
    mac = hmac.digest(secret, f"{seconds}.".encode() + body, "sha256").hex()
    return {TIMESTAMP: str(seconds), SIGNATURE: f"sha256={mac}"}
