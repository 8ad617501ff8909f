"""Small secrets at rest: AES-256-GCM under a key derived from the internal key, bound to what they belong to.

https://www.rfc-editor.org/rfc/rfc5869 · https://cryptography.io/en/stable/hazmat/primitives/aead/
"""

import base64
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Seal:
    """Seals with the first of the internal keys, opens with any: while one is exchanged both are there."""

    def __init__(self, internal_keys: Sequence[bytes], what: str) -> None:
        self._ciphers = [AESGCM(derived(key, what)) for key in internal_keys]

    def close(self, secret: str, owner: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._ciphers[0].encrypt(nonce, secret.encode(), owner.encode())).decode()

    def open(self, sealed: str, owner: str) -> str | None:
        """Return the secret; None when no key opens it, or it was sealed for another owner."""
        raw = base64.b64decode(sealed)
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode()).decode()
            except InvalidTag:
                continue
        return None


def derived(internal_key: bytes, what: str) -> bytes:
    """Return a key for one use, from which neither the internal key nor that of another use follows."""
    return HKDF(hashes.SHA256(), 32, None, f"yiyang {what}".encode()).derive(internal_key)
