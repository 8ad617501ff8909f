"""Push a file of records, one a line, batch by batch, and go on where it stopped (docs/client.md)."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from yiyang.client.client import Client
from yiyang.client.failure import ClientError
from yiyang.client.journal import Done, Journal
from yiyang.client.receipts import Receipt

SIZE: Final = 1000
AT_ONCE: Final = 4
ROUNDS: Final = 3
"""How often in one run a record is sent that met others at the same moment."""
PAUSE_SECONDS: Final = 0.5

Line = tuple[int, bytes]
Tell = Callable[[int, int], None]
"""(lines that are done, records of them that are stored)"""


class Pushed(msgspec.Struct, frozen=True):
    """What came of a file: how many records are new, how many were there; the refused ones by their lines."""

    new: int
    known: int
    refused: dict[int, Receipt]


async def push(
    client: Client,
    path: Path,
    journal: Path | None = None,
    *,
    size: int = SIZE,
    at_once: int = AT_ONCE,
    tell: Tell = lambda _done, _stored: None,
) -> Pushed:
    """What is not stored is sent, what was refused before too: its cause may be mended.

    Raise ClientError where the server refuses a whole batch, JournalError for the journal of another file; what is done is kept.
    """
    with Journal(journal or path.with_name(f"{path.name}.journal"), _digest(path)) as kept:
        pushing = _Pushing(client, kept)
        stored = sum(kept.is_stored(number) for number, _ in _lines(path))
        if stored:
            tell(stored, stored)
        open_ones = (each for each in _lines(path) if not kept.is_stored(each[0]))
        await pushing.send(_batches(open_ones, size), at_once, tell)
        for _ in range(1, ROUNDS):
            if met := {n for n, receipt in kept.receipts.items() if receipt.is_transient}:
                await asyncio.sleep(PAUSE_SECONDS)
                again = (each for each in _lines(path) if each[0] in met)
                await pushing.send(_batches(again, size), at_once, lambda _done, stored: tell(0, stored))
        return _counted(kept)


def records_in(path: Path) -> int:
    return sum(1 for _ in _lines(path))


class _Pushing:
    def __init__(self, client: Client, kept: Journal) -> None:
        self._client = client
        self._kept = kept

    async def send(self, batches: Iterator[tuple[Line, ...]], at_once: int, tell: Tell) -> None:
        async def work() -> None:
            for batch in batches:
                receipts = await self._one(batch)
                tell(len(batch), sum(not each.is_refused for each in receipts))

        await _all(work, at_once)

    async def _one(self, batch: tuple[Line, ...]) -> tuple[Receipt, ...]:
        """Under the same key until it is receipted: so one that was cut off finds its job again, and one that was refused is looked at anew."""
        numbers = tuple(number for number, _ in batch)
        meant = self._kept.run, [(number, self._kept.tries[number]) for number in numbers]
        key = hashlib.sha256(msgspec.json.encode(meant)).hexdigest()
        receipts = tuple(await self._client.ingest((line for _, line in batch), key=key))
        self._kept.add(Done(numbers, receipts))
        return receipts


async def _all(work: Callable[[], Coroutine[Any, Any, None]], at_once: int) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
    except* ClientError as failed:
        raise failed.exceptions[0] from failed


def _lines(path: Path) -> Iterator[Line]:
    """By their numbers; empty ones are no records."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.rstrip(b"\r\n")


def _batches(lines: Iterable[Line], size: int) -> Iterator[tuple[Line, ...]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _counted(kept: Journal) -> Pushed:
    refused = {n: receipt for n, receipt in sorted(kept.receipts.items()) if receipt.is_refused}
    new = sum(each.is_new for each in kept.receipts.values())
    return Pushed(new, len(kept.receipts) - len(refused) - new, refused)
