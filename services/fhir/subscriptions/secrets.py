"""What an endpoint must be told and nobody else: the values of `channel.header` and the secret of the signature.

They lie encrypted in the Subscription itself, so a client reads a cipher text back, may send it again as it is, and learns nothing from
it. They are bound to the institution: a cipher text that another one saw opens nothing for it.
"""

import base64
import binascii
import re
from typing import Final

import msgspec

from services.kit.caller import split_key
from services.kit.crypto import cipher_key, decrypt, encrypt, name_of

_MARK: Final = re.compile(r"~ys1\.([0-9a-f]{8})\.([A-Za-z0-9_-]+)~")
_PURPOSE: Final = "subscription channels"


class _Key(msgspec.Struct, frozen=True):
    name: str
    cipher: bytes


class Safe(msgspec.Struct, frozen=True):
    """The first key seals, all of them open: the internal key and the ones before it."""

    keys: tuple[_Key, ...]

    def sealed(self, value: str, institution: str) -> str:
        """The same text where it is sealed already for this institution; ValueError where it is for another one."""
        if is_sealed(value):
            self.opened(value, institution)
            return value
        key = self.keys[0]
        hidden = encrypt("aes-256-gcm", key.cipher, value.encode(), institution.encode())
        return f"~ys1.{key.name}.{base64.urlsafe_b64encode(hidden).decode().rstrip('=')}~"

    def opened(self, value: str, institution: str) -> str:
        """ValueError for what no key here has sealed for this institution."""
        found = _MARK.fullmatch(value)
        key = next((key for key in self.keys if found and key.name == found[1]), None)
        if found is None or key is None:
            raise ValueError("not sealed here")
        try:
            hidden = base64.urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
        except binascii.Error as error:
            raise ValueError("not sealed here") from error
        return decrypt("aes-256-gcm", key.cipher, hidden, institution.encode()).decode()


def is_sealed(value: str) -> bool:
    return _MARK.fullmatch(value) is not None


def safe_of(internal_key: bytes) -> Safe:
    return Safe(tuple(_key(each) for each in split_key(internal_key)))


def _key(secret: bytes) -> _Key:
    cipher = cipher_key("aes-256-gcm", secret, _PURPOSE)
    return _Key(name_of(cipher), cipher)
