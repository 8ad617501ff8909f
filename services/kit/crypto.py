"""Hashes and keys by name: SHA-256 (FIPS 180-4) or SM3 (GB/T 32905), and keys that are derived from one for a purpose each (RFC 5869).

https://cryptography.io/en/latest/hazmat/primitives/cryptographic-hashes/
"""

from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA256, SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HashName = Literal["sha256", "sm3"]
HASH_BYTES: Final = 32
_HASHES: Final = {"sha256": SHA256, "sm3": SM3}


def digest(name: str, data: bytes) -> bytes:
    """32 bytes in either case."""
    made = Hash(_HASHES[name]())
    made.update(data)
    return made.finalize()


def mac(name: str, key: bytes, data: bytes) -> bytes:
    made = HMAC(key, _HASHES[name]())
    made.update(data)
    return made.finalize()


def derived(secret: bytes, purpose: str, length: int = 32) -> bytes:
    """A key for one purpose; who has it learns nothing of the secret or of the keys for other purposes."""
    return HKDF(SHA256(), length, salt=b"yiyang", info=purpose.encode()).derive(secret)


def name_of(key: bytes) -> str:
    """Eight characters by which a key is recognised, and that tell nothing about it."""
    return digest("sha256", b"name of a key\0" + key)[:4].hex()
