"""Which request was made under which Idempotency-Key, and what it was answered: written by the commit of its effect (docs/adr/0035).

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from services.fhir.outcomes import conflict
from services.fhir.store.rows import AuditRow
from services.fhir.store.shards import shard_of
from services.fhir.store.vault import Vault

LEASE: Final = timedelta(seconds=60)
"""How long a request is thought to be under way whose process does not say that it has ended."""

# Losing the row in a crash does no harm, so nobody waits for the disk: the setting holds until the end of this statement.
_BEGIN: Final = """INSERT INTO fhir.idempotency AS i (key, shard, asked, token, until, created)
SELECT $1, $2, $3, $4, $5, $6 FROM (SELECT set_config('synchronous_commit', 'off', true)) quickly
ON CONFLICT (key, shard) DO UPDATE SET asked = excluded.asked, token = excluded.token, until = excluded.until, created = excluded.created,
  status = NULL, headers = NULL, body = NULL, names = NULL
WHERE i.status IS NULL AND i.until <= $6 AND i.asked = excluded.asked OR i.created <= $7
RETURNING token"""
_FIND: Final = "SELECT asked, status, headers, body, names FROM fhir.idempotency WHERE key = $1 AND shard = $2"
_KEEP: Final = """UPDATE fhir.idempotency SET status = $4, headers = $5, body = $6, names = $7, token = NULL, until = NULL
WHERE key = $1 AND shard = $2 AND token = $3"""
_RELEASE: Final = "DELETE FROM fhir.idempotency WHERE key = $1 AND shard = $2 AND token = $3"
_FORGET: Final = "DELETE FROM fhir.idempotency WHERE created < $1"

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[tuple[str, str]]).decode


class Answered(Protocol):
    """An answer, as far as it is remembered."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]: ...
    @property
    def body(self) -> bytes: ...


class Remembers(Protocol):
    """What a commit remembers of its request beside its versions: the answer under a key, the receipt of a message."""

    is_done: bool

    async def keep(self, connection: Any, answer: Answered, audit: Iterable[AuditRow], vault: Vault | None) -> None: ...


class Effect(msgspec.Struct):
    """A request under way: its key, and the token by which its commit knows that no other took its place."""

    key: str
    token: str
    is_done: bool = False

    async def keep(self, connection: Any, answer: Answered, audit: Iterable[AuditRow], vault: Vault | None) -> None:
        """In the commit of the effect: once it is there, so is its answer."""
        await keep(connection, self, answer, audit, vault)


class Kept(msgspec.Struct, frozen=True):
    """What was asked (its hash), and answered; no status as long as it is under way. `names` are the resources in the answer."""

    asked: str
    status: int | None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    names: tuple[str, ...] = ()


async def begin(connection: Any, effect: Effect, asked: str, now: datetime, keep: timedelta) -> bool:
    """Whether the key is this request's now: nobody has used it yet, or so long ago that it is forgotten, or who did has vanished."""
    values = effect.key, shard_of(effect.key), asked, effect.token, now + LEASE, now, now - keep
    return await connection.fetchval(_BEGIN, *values) is not None


async def find(connection: Any, key: str, vault: Vault | None) -> Kept | None:
    record = await connection.fetchrow(_FIND, key, shard_of(key))
    if record is None:
        return None
    if record["status"] is None:
        return Kept(record["asked"], None)
    text = vault.opened_text(record["body"], key) if vault else record["body"]
    headers = tuple((name.encode(), value.encode("latin-1")) for name, value in _decode(record["headers"]))
    return Kept(record["asked"], record["status"], headers, text.encode(), tuple(record["names"]))


async def keep(
    connection: Any, effect: Effect, answer: Answered, audit: Iterable[AuditRow], vault: Vault | None
) -> None:
    body = answer.body.decode()
    if vault is not None and (values := vault.values(body)):
        body = vault.sealed_text(body, values, effect.key)
    headers = _encode([(name.decode(), value.decode("latin-1")) for name, value in answer.headers]).decode()
    kept = answer.status, headers, body, names_in(audit)
    if await connection.execute(_KEEP, effect.key, shard_of(effect.key), effect.token, *kept) != "UPDATE 1":
        raise conflict("Another request under this Idempotency-Key has taken the place of this one")


async def release(connection: Any, effect: Effect) -> None:
    """What came to nothing can be asked again at once."""
    await connection.execute(_RELEASE, effect.key, shard_of(effect.key), effect.token)


async def forget(connection: Any, before: datetime) -> None:
    await connection.execute(_FORGET, before)


def names_in(audit: Iterable[AuditRow]) -> Sequence[str]:
    """What was accessed, of which there is a version: whoever sees the answer again must still see all of it."""
    return sorted({f"{row.type}/{row.id}" for row in audit if row.version is not None})
