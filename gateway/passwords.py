"""Passwords: argon2id with the parameters of RFC 9106 (64 MiB, three passes), off the event loop.

https://www.rfc-editor.org/rfc/rfc9106#section-4 · https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS: Final = 12
MAX_CHARACTERS: Final = 128
MIN_DIFFERENT: Final = 6
_HASHER = PasswordHasher()
# Each takes 64 MiB and a core for a quarter of a second: two at a time, the others wait their turn.
_TURNS: Final = ThreadPoolExecutor(2, "argon2")


class PasswordRefusedError(ValueError):
    """A password that nobody should choose; the message says what to mend."""


def check_password(password: str, name: str) -> str:
    """Return the password, or raise PasswordRefusedError: length matters, and that it is not the name."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise PasswordRefusedError(f"{MIN_CHARACTERS} to {MAX_CHARACTERS} characters are needed")
    if len(set(password)) < MIN_DIFFERENT or name.casefold() in password.casefold():
        raise PasswordRefusedError("it must not hold the user name, nor a few characters again and again")
    return password


def new_password() -> str:
    """Return a first password, for the person to change: 100 bits that can be read out."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_TURNS, _HASHER.hash, password)


async def is_password(password: str, hashed: str | None) -> bool:
    """Tell whether it is; with no hash to compare to it takes as long, and is not."""
    is_right = await asyncio.get_running_loop().run_in_executor(_TURNS, _verify, hashed, password)
    return is_right and hashed is not None


def _verify(hashed: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(hashed or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_urlsafe(16))
