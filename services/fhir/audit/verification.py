"""Says of the chain whether every row is what it was, or which is the first that is not (docs/adr/0016)."""

from typing import Any, Final

import msgspec

from services.fhir.audit.chain import BEGINNING, NOWHERE, Block, Sealing, block_hash, is_signed, row_digest
from services.fhir.audit.retention import Pruned, is_valid
from services.fhir.store import audit_chain, audit_retention

SETTLED_SECONDS: Final = 120  # a row that waits longer was not left to the sealer


class Head(msgspec.Struct, frozen=True):
    """A block's number and hash, as they were seen before and kept elsewhere."""

    number: int
    hash: bytes


class Broken(Exception):  # noqa: N818 - what is found, not a failure of the search
    """The first fault, in the order of the chain."""


class Verified(msgspec.Struct):
    """`foreign` are blocks sealed with another key: their hashes were checked, not by whom they were made."""

    blocks: int = 0
    rows: int = 0
    pruned: int = 0
    foreign: int = 0
    head: Head | None = None


async def verify(connection: Any, by: Sealing, seen: Head | None = None) -> Verified:
    """Walk the chain from its beginning. `seen` is a head from before: a chain that does not hold it was cut or made anew."""
    pruned = await audit_retention.pruned(connection)
    if pruned and pruned.key == by.name and not is_valid(pruned, by):
        raise Broken("the record of what was pruned was not made by this installation")
    verified, last = Verified(), None
    async for block in audit_chain.blocks(connection):
        _check_block(block, last, by, seen)
        await _check_rows(connection, block, pruned, verified)
        verified.blocks += 1
        verified.foreign += block.key != by.name
        last = block
    if seen is not None and (last is None or last.number < seen.number):
        raise Broken(f"block {last.number + 1 if last else 1} is missing: block {seen.number} was seen before")
    end = last.reached.end if last else NOWHERE
    if event := await audit_chain.first_unchained(connection, end, SETTLED_SECONDS):
        raise Broken(f"AuditEvent/{event} is in no block: it was put in, or the sealer does not run")
    verified.head = Head(last.number, last.hash) if last else None
    return verified


def _check_block(block: Block, last: Block | None, by: Sealing, seen: Head | None) -> None:
    expected = last.number + 1 if last else 1
    if block.number != expected:
        raise Broken(f"block {expected} is missing")
    if block.previous != (last.hash if last else BEGINNING):
        raise Broken(f"block {block.number} does not follow the block before it")
    if block.hash != block_hash(block):
        raise Broken(f"block {block.number} was changed")
    if block.key == by.name and not is_signed(block, by):
        raise Broken(f"block {block.number} was not made by this installation")
    if seen is not None and seen.number == block.number and seen.hash != block.hash:
        raise Broken(f"block {block.number} is not the one that was seen before")


async def _check_rows(connection: Any, block: Block, pruned: Pruned | None, verified: Verified) -> None:
    rows = await audit_chain.rows_of(connection, block.events)
    found = {row["event"]: row for row in rows}
    lasting = frozenset(block.lasting)
    for position, event in enumerate(block.events):
        place = f"block {block.number}, row {position + 1} (AuditEvent/{event})"
        row = found.get(event)
        if row is None:
            if pruned is None or not pruned.covers(block.number, is_lasting=position in lasting):
                raise Broken(f"{place} is missing")
            verified.pruned += 1
        elif row_digest(block.algorithm, row) != block.digest(position):
            raise Broken(f"{place} was changed")
    if len(rows) != len(found):
        raise Broken(f"block {block.number}: a row is there twice")
    verified.rows += len(rows)
