"""HL7 v2 messages as they came and what they were answered: written by the commit of their effect, or alone where they had none (docs/adr/0043).

A message that was accepted is never processed again; one that was refused is, whenever it comes again or is replayed.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.store.idempotency import Answered, names_in
from services.fhir.store.rows import AuditRow
from services.fhir.store.shards import shard_of
from services.fhir.store.vault import Vault

ACCEPTED: Final = "AA"
_FIND: Final = "SELECT digest, code, acknowledgement FROM fhir.v2_message WHERE key = $1 AND shard = $2"
_KEEP: Final = """INSERT INTO fhir.v2_message AS m (key, shard, client, organization, event, control, digest, received, answered, attempts,
  code, faults, names, content, acknowledgement)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 1, $9, $10, $11, $12, $13)
ON CONFLICT (key, shard) DO UPDATE SET digest = excluded.digest, answered = excluded.answered, attempts = m.attempts + 1, code = excluded.code,
  faults = excluded.faults, names = excluded.names, content = excluded.content, acknowledgement = excluded.acknowledgement
WHERE m.code <> 'AA'
RETURNING key"""
_LISTED: Final = """SELECT key, client, organization, event, control, received, answered, attempts, code, faults, names FROM fhir.v2_message
WHERE ($1::text IS NULL OR client = $1) AND ($2::boolean OR code <> 'AA') AND received >= $3 ORDER BY received, key LIMIT $4"""
_FORGET: Final = "DELETE FROM fhir.v2_message WHERE answered < $1"
_CONTENT: Final = "SELECT content FROM fhir.v2_message WHERE key = $1 AND shard = $2"


class TakenError(Exception):
    """The same message was accepted meanwhile, on another connection; nothing of this one is written."""


class Known(msgspec.Struct, frozen=True):
    """What is known of a message that came before."""

    digest: str
    code: str
    acknowledgement: bytes


class Receipt(msgspec.Struct):
    """Of one message; `code` is that of the acknowledgement, `faults` are told as JSON and hold nothing of a person."""

    key: str
    client: str
    organization: str
    event: str
    control: str
    received: datetime
    content: bytes
    code: str = ACCEPTED
    faults: str = "[]"
    acknowledgement: bytes = b""
    is_done: bool = False

    async def keep(self, connection: Any, _answer: Answered, audit: Iterable[AuditRow], vault: Vault | None) -> None:
        """In the commit of the effect: once it is there, so is its receipt."""
        await self.write(connection, names_in(audit), vault)

    async def write(self, connection: Any, names: Sequence[str], vault: Vault | None) -> None:
        content = vault.sealed_bytes(self.content, self.key) if vault else self.content
        values = self.client, self.organization, self.event, self.control, digest_of(self.content), self.received
        told = self.code, self.faults, list(names), content, self.acknowledgement
        if await connection.fetchval(_KEEP, self.key, shard_of(self.key), *values, *told) is None:
            raise TakenError


def key_of(client: str, *sender: str) -> str:
    """A control id is its sender's own."""
    return hashlib.sha256("\0".join((client, *sender)).encode()).hexdigest()


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def find(connection: Any, key: str) -> Known | None:
    row = await connection.fetchrow(_FIND, key, shard_of(key))
    return Known(row["digest"], row["code"], bytes(row["acknowledgement"])) if row else None


async def listed(connection: Any, client: str | None, since: datetime, most: int, *, accepted: bool) -> Sequence[Any]:
    """Receipts without what the messages say, the oldest first; the accepted ones too where they are asked for."""
    found: Sequence[Any] = await connection.fetch(_LISTED, client, accepted, since, most)
    return found


async def content_of(connection: Any, key: str, vault: Vault | None) -> bytes | None:
    found = await connection.fetchval(_CONTENT, key, shard_of(key))
    if found is None:
        return None
    return vault.opened_bytes(bytes(found), key) if vault else bytes(found)


async def forget(connection: Any, before: datetime) -> None:
    """A message that comes again after that is processed anew, and changes nothing: what it numbers has an id made of that number."""
    await connection.execute(_FORGET, before)


async def resealed(connection: Any, vault: Vault, batch: int) -> AsyncIterator[int]:
    """Every message under the first key, batch by batch: for services.fhir.store.rotation."""
    place: tuple[str, int] = ("", -1)
    sql = f"SELECT key, shard, content FROM fhir.v2_message WHERE (key, shard) > ($1, $2) ORDER BY key, shard LIMIT {batch}"
    while found := await connection.fetch(sql, *place):
        old = [row for row in found if not vault.is_current_bytes(bytes(row["content"]))]
        await connection.executemany(
            "UPDATE fhir.v2_message SET content = $3 WHERE key = $1 AND shard = $2",
            [(r["key"], r["shard"], vault.sealed_bytes(vault.opened_bytes(bytes(r["content"]), r["key"]), r["key"])) for r in old],
        )  # fmt: skip
        yield len(old)
        place = found[-1]["key"], found[-1]["shard"]
