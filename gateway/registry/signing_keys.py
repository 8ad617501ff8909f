"""The keys that sign access tokens: made at first need by whichever replica comes first, shared by all.

https://www.rfc-editor.org/rfc/rfc7517
"""

import asyncio
import time
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.keys import Jwk, generate_key_pair
from gateway.registry.access import run
from gateway.registry.tables import signing_key
from services.kit.clock import Clock

KEY_BITS = 2048
RELOAD_SECONDS = 30.0
RETRY_SECONDS = 1.0


class SigningKey(msgspec.Struct, frozen=True):
    """`private_key` in PEM, None where the internal key is no longer the one that sealed it."""

    generation: int
    public_jwk: Jwk
    private_key: str | None

    @property
    def kid(self) -> str:
        return str(self.public_jwk["kid"])


class SigningKeys:
    def __init__(self, engine: AsyncEngine, internal_key: bytes, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._secret = HKDF(hashes.SHA256(), 32, None, b"yiyang signing key").derive(internal_key)
        self._keys: dict[str, SigningKey] = {}
        self._loaded = -RELOAD_SECONDS
        self._lock = asyncio.Lock()

    async def signer(self) -> tuple[str, str]:
        """Return kid and private key (PEM) of the newest key that this gateway can use; make one where there is none."""
        await self._load(RELOAD_SECONDS)
        while True:
            for key in self._keys.values():
                if key.private_key is not None:
                    return key.kid, key.private_key
            await self._make(max((key.generation for key in self._keys.values()), default=0) + 1)
            await self._load(0)

    async def public_key(self, kid: str) -> Jwk | None:
        """Return the public key of that kid; one made by another replica a moment ago is found too."""
        if kid not in self._keys:
            await self._load(RETRY_SECONDS)
        return self._keys[kid].public_jwk if kid in self._keys else None

    async def public_set(self) -> dict[str, Any]:
        await self.signer()
        return {"keys": [key.public_jwk for key in self._keys.values()]}

    async def _load(self, not_within: float) -> None:
        async with self._lock:
            if time.monotonic() - self._loaded < not_within:
                return
            [rows] = await run(self._engine, select(signing_key).order_by(signing_key.c.generation.desc()))
            keys = {key.generation: key for key in self._keys.values()}
            for row in rows:
                if row.generation not in keys:
                    keys[row.generation] = await asyncio.to_thread(self._unseal, row)
            self._keys = {keys[row.generation].kid: keys[row.generation] for row in rows}
            self._loaded = time.monotonic()

    async def _make(self, generation: int) -> None:
        """Insert the key of a generation; where another replica was faster, its key stays and ours is forgotten."""
        pair = await asyncio.to_thread(generate_key_pair, KEY_BITS)
        values = {
            "generation": generation,
            "private_key": await asyncio.to_thread(self._seal, pair.private_key),
            "public_jwk": pair.public_jwk,
            "created_at": self._clock.now(),
        }
        await run(self._engine, insert(signing_key).values(values).on_conflict_do_nothing())

    def _seal(self, pem: str) -> str:
        key = load_pem_private_key(pem.encode(), None)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._secret)).decode()

    def _unseal(self, row: Row[Any]) -> SigningKey:
        try:
            key = load_pem_private_key(row.private_key.encode(), self._secret)
        except ValueError:
            return SigningKey(row.generation, row.public_jwk, None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return SigningKey(row.generation, row.public_jwk, pem)
