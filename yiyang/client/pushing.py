"""Push a file of records, one a line, batch by batch, and go on where it stopped (docs/client.md)."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from yiyang.client.client import Client
from yiyang.client.failure import ClientError
from yiyang.client.journal import Done, Head, Journal
from yiyang.client.receipts import Receipt

SIZE: Final = 1000
AT_ONCE: Final = 4

Tell = Callable[[int, int], None]
"""(lines that are done, records of them that are stored)"""


class Pushed(msgspec.Struct, frozen=True):
    """What came of a file: how many records are new, how many were there; the refused ones by their lines."""

    new: int
    known: int
    refused: dict[int, Receipt]


class _Batch(msgspec.Struct, frozen=True):
    """Of lines, which keep their numbers; empty lines are none."""

    first: int
    lines: tuple[tuple[int, bytes], ...]


async def push(
    client: Client,
    path: Path,
    journal: Path | None = None,
    *,
    size: int = SIZE,
    at_once: int = AT_ONCE,
    tell: Tell = lambda _done, _stored: None,
) -> Pushed:
    """Raise ClientError where the server refuses a whole batch, JournalError for the journal of another file; what is done is kept."""
    digest = _digest(path)
    with Journal(journal or path.with_name(f"{path.name}.journal"), Head(digest, size)) as kept:
        waiting = iter(_batches(path, size))

        async def work() -> None:
            for batch in waiting:
                done = kept.done.get(batch.first)
                if done is None:
                    key = f"{digest[:32]}-{size}-{batch.first}"
                    receipts = await client.ingest((line for _, line in batch.lines), key=key)
                    done = Done(batch.first, tuple(receipts))
                    kept.add(done)
                tell(len(batch.lines), sum(not each.is_refused for each in done.receipts))

        await _all(work, at_once)
        return _counted(path, size, kept)


def records_in(path: Path) -> int:
    return sum(len(batch.lines) for batch in _batches(path, SIZE))


async def _all(work: Callable[[], Coroutine[Any, Any, None]], at_once: int) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
    except* ClientError as failed:
        raise failed.exceptions[0] from failed


def _batches(path: Path, size: int) -> Iterator[_Batch]:
    lines: list[tuple[int, bytes]] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                lines.append((number, line.rstrip(b"\r\n")))
            if len(lines) == size:
                yield _Batch(lines[0][0], tuple(lines))
                lines = []
    if lines:
        yield _Batch(lines[0][0], tuple(lines))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _counted(path: Path, size: int, kept: Journal) -> Pushed:
    new = known = 0
    refused: dict[int, Receipt] = {}
    for batch in _batches(path, size):
        for (number, _), receipt in zip(batch.lines, kept.done[batch.first].receipts, strict=True):
            if receipt.is_refused:
                refused[number] = receipt
            new += receipt.is_new
            known += not receipt.is_new and not receipt.is_refused
    return Pushed(new, known, refused)
