"""Hashes, ciphers and keys by name: SHA-256 (FIPS 180-4) or SM3 (GB/T 32905), AES or SM4, keys derived for a purpose each (RFC 5869).

https://cryptography.io/en/latest/hazmat/primitives/cryptographic-hashes/
"""

import os
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
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


CipherName = Literal["aes-256-gcm", "sm4-gcm"]
NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_KEY_BYTES: Final = {"aes-256-gcm": 32, "sm4-gcm": 16}


def cipher_key(name: CipherName, secret: bytes, purpose: str) -> bytes:
    """A key of the length that the cipher takes: AES-256 (FIPS 197) or SM4 (GB/T 32907), both in GCM."""
    return derived(secret, f"{purpose} {name}", _KEY_BYTES[name])


def encrypt(name: CipherName, key: bytes, text: bytes, bound_to: bytes) -> bytes:
    """Nonce, cipher text and tag; only together with `bound_to` it can be opened again."""
    nonce = os.urandom(NONCE_BYTES)
    worker = Cipher(_cipher(name, key), GCM(nonce)).encryptor()
    worker.authenticate_additional_data(bound_to)
    return nonce + worker.update(text) + worker.finalize() + worker.tag


def decrypt(name: CipherName, key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """ValueError for what was not encrypted so."""
    nonce, text, tag = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    try:
        worker = Cipher(_cipher(name, key), GCM(nonce, tag)).decryptor()
        worker.authenticate_additional_data(bound_to)
        return worker.update(text) + worker.finalize()
    except InvalidTag as error:
        raise ValueError("not encrypted with this key for this place") from error


def _cipher(name: CipherName, key: bytes) -> AES | SM4:
    return SM4(key) if name == "sm4-gcm" else AES(key)
