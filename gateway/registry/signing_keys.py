"""The keys that sign tokens: made at first need by whichever replica comes first, shared by all, exchanged without a refused request.

A new key is published before it signs, an old one as long as anything that it signed may be shown. https://www.rfc-editor.org/rfc/rfc7517
"""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.keys import Jwk, generate_key_pair
from gateway.registry.access import run
from gateway.registry.tables import signing_key
from gateway.seal import derived
from services.kit.clock import Clock

KEY_BITS: Final = 2048
RELOAD_SECONDS = 30.0
RETRY_SECONDS: Final = 1.0
PUBLISHED_BEFORE: Final = timedelta(minutes=10)  # longer than the caches of those who verify
KEPT_AFTER: Final = timedelta(hours=1)  # longer than any token lives
FORGOTTEN_AFTER: Final = timedelta(days=30)
_PUBLISHED: Final = ("kty", "kid", "use", "n", "e")


class SigningKey(msgspec.Struct, frozen=True):
    """`private_key` in PEM, None where the internal key is no longer the one that sealed it."""

    generation: int
    public_jwk: Jwk
    private_key: str | None
    active_from: datetime
    retired_at: datetime | None = None

    @property
    def kid(self) -> str:
        return str(self.public_jwk["kid"])


class SigningKeys:
    def __init__(self, engine: AsyncEngine, internal_key: bytes, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._secret = derived(internal_key, "signing key")
        self._keys: dict[str, SigningKey] = {}
        self._loaded = -RELOAD_SECONDS
        self._lock = asyncio.Lock()

    async def signer(self) -> tuple[str, str]:
        """Return kid and private key (PEM) of the newest key that may sign by now; make one where there is none."""
        await self._load(RELOAD_SECONDS)
        while True:
            now = self._clock.now()
            for key in self._keys.values():
                if key.private_key is not None and key.active_from <= now:
                    return key.kid, key.private_key
            await self._make(now)
            await self._load(0)

    async def public_key(self, kid: str) -> Jwk | None:
        """Return the public key of that kid; one made by another replica a moment ago is found too."""
        if kid not in self._keys:
            await self._load(RETRY_SECONDS)
        return self._keys[kid].public_jwk if kid in self._keys else None

    async def public_set(self) -> dict[str, Any]:
        """Return what may have signed something that is still valid, and what will sign next. No alg: RS384 or RS256 by kind of token."""
        await self.signer()
        return {"keys": [{name: key.public_jwk[name] for name in _PUBLISHED} for key in self._live()]}

    async def all(self) -> list[SigningKey]:
        """Return all keys, the newest first, retired ones too; private parts are left out."""
        [rows] = await run(self._engine, select(signing_key).order_by(signing_key.c.generation.desc()))
        return [SigningKey(row.generation, row.public_jwk, None, row.active_from, row.retired_at) for row in rows]

    async def rotate(self, published_before: timedelta = PUBLISHED_BEFORE) -> str:
        """Make the next key, published now, signing later; return its kid. Keys that nobody can need any more are forgotten."""
        await self.signer()
        await self._make(self._clock.now() + published_before)
        forgotten = signing_key.c.active_from < self._clock.now() - FORGOTTEN_AFTER
        newest = select(func.max(signing_key.c.generation)).scalar_subquery()
        older = select(func.max(signing_key.c.generation)).where(signing_key.c.generation < newest).scalar_subquery()
        await run(self._engine, delete(signing_key).where(forgotten, signing_key.c.generation < older))
        await self._load(0)
        return next(iter(self._keys))

    async def retire(self, kid: str) -> bool:
        """Refuse whatever a key signed, on every replica within five seconds. False when there is no such key."""
        mine = signing_key.c.public_jwk["kid"].astext == kid
        statement = update(signing_key).where(mine).values(retired_at=self._clock.now())
        [retired] = await run(self._engine, statement.returning(signing_key.c.generation))
        return bool(retired)

    def _live(self) -> list[SigningKey]:
        """From the newest to the one whose successor began to sign so long ago that nothing it signed is valid."""
        live: list[SigningKey] = []
        for key in self._keys.values():
            if live and live[-1].active_from + KEPT_AFTER < self._clock.now():
                break
            live.append(key)
        return live

    async def _load(self, not_within: float) -> None:
        async with self._lock:
            if time.monotonic() - self._loaded < not_within:
                return
            statement = select(signing_key).where(signing_key.c.retired_at.is_(None))
            [rows] = await run(self._engine, statement.order_by(signing_key.c.generation.desc()))
            keys = {key.generation: key for key in self._keys.values()}
            for row in rows:
                if row.generation not in keys:
                    keys[row.generation] = await asyncio.to_thread(self._unseal, row)
            self._keys = {keys[row.generation].kid: keys[row.generation] for row in rows}
            self._loaded = time.monotonic()

    async def _make(self, active_from: datetime) -> None:
        """Insert the next key; where another replica was faster, its key stays and ours is forgotten."""
        [[row]] = await run(self._engine, select(func.coalesce(func.max(signing_key.c.generation), 0).label("newest")))
        pair = await asyncio.to_thread(generate_key_pair, KEY_BITS)
        values = {
            "generation": row.newest + 1,
            "private_key": await asyncio.to_thread(self._seal, pair.private_key),
            "public_jwk": pair.public_jwk,
            "created_at": self._clock.now(),
            "active_from": active_from,
        }
        await run(self._engine, insert(signing_key).values(values).on_conflict_do_nothing())

    def _seal(self, pem: str) -> str:
        key = load_pem_private_key(pem.encode(), None)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._secret)).decode()

    def _unseal(self, row: Row[Any]) -> SigningKey:
        try:
            key = load_pem_private_key(row.private_key.encode(), self._secret)
        except ValueError:
            return SigningKey(row.generation, row.public_jwk, None, row.active_from)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return SigningKey(row.generation, row.public_jwk, pem, row.active_from)
