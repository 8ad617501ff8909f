"""The chain over the audit rows: pure; a block lists its rows by id and digest and holds the hash of the block before it (docs/adr/0016)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.store.rows import AuditRow
from services.kit.crypto import HASH_BYTES, HashName, derived, digest, mac, name_of

COLUMNS: Final = (*AuditRow.__struct_fields__, "tx")
LASTING_TYPES: Final = frozenset({"Consent"})
LASTING_INTERACTIONS: Final = frozenset({"register", "break-glass"})
LASTING_PURPOSES: Final = frozenset({"BTG", "ETREAT"})


class Place(msgspec.Struct, frozen=True, order=True):
    """Where a row stands: the transaction that wrote it, then its id."""

    tx: int
    event: str


class Reached(msgspec.Struct, frozen=True):
    """How far a chain reaches; `since` when the database was restored into another cluster: rows from before are all sealed."""

    end: Place
    since: datetime | None = None


class Block(msgspec.Struct, frozen=True):
    """`lasting` are the positions of the rows that are kept for years."""

    number: int
    previous: bytes
    algorithm: str
    sealed: datetime
    reached: Reached
    events: tuple[str, ...]
    digests: bytes
    lasting: tuple[int, ...]
    hash: bytes
    key: str
    mac: bytes

    def digest(self, position: int) -> bytes:
        return self.digests[position * HASH_BYTES : (position + 1) * HASH_BYTES]


BEGINNING: Final = b"\0" * HASH_BYTES
NOWHERE: Final = Place(-1, "")


class Sealing(msgspec.Struct, frozen=True):
    """With which hash and key blocks are made. The key lies outside the database, so who may change rows there can't make a block."""

    algorithm: HashName
    key: bytes

    @property
    def name(self) -> str:
        return name_of(self.key)


def sealing(secret: bytes, algorithm: HashName = "sha256") -> Sealing:
    return Sealing(algorithm, derived(secret, "audit chain"))


def row_digest(algorithm: str, row: Mapping[str, Any]) -> bytes:
    """Over every column that says something: one that was added later changes no older digest."""
    said = {column: row[column] for column in sorted(COLUMNS) if row[column] is not None}
    return digest(algorithm, msgspec.json.encode(said))


def is_lasting(row: Mapping[str, Any]) -> bool:
    """What is remembered of consents and of emergencies, where the law asks for three years: PIPL, Art. 56."""
    return (
        row["type"] in LASTING_TYPES or row["purpose"] in LASTING_PURPOSES or row["interaction"] in LASTING_INTERACTIONS
    )


def block_of(
    rows: Sequence[Mapping[str, Any]], before: Block | None, sealed: datetime, reached: Reached, by: Sealing
) -> Block:
    number, previous = (before.number + 1, before.hash) if before else (1, BEGINNING)
    made = Block(
        number=number,
        previous=previous,
        algorithm=by.algorithm,
        sealed=sealed,
        reached=reached,
        events=tuple(row["event"] for row in rows),
        digests=b"".join(row_digest(by.algorithm, row) for row in rows),
        lasting=tuple(n for n, row in enumerate(rows) if is_lasting(row)),
        hash=b"",
        key=by.name,
        mac=b"",
    )
    hashed = block_hash(made)
    return msgspec.structs.replace(made, hash=hashed, mac=mac(by.algorithm, by.key, hashed))


def block_hash(block: Block) -> bytes:
    """Over the hash of the block before and all that this one says, so that no two blocks can change places."""
    said = (
        block.number,
        block.previous.hex(),
        block.algorithm,
        block.sealed,
        block.reached,
        block.events,
        block.digests.hex(),
        block.lasting,
        block.key,
    )
    return digest(block.algorithm, msgspec.json.encode(said))


def is_signed(block: Block, by: Sealing) -> bool:
    return block.mac == mac(block.algorithm, by.key, block.hash)
