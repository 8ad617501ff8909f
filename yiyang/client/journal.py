"""How far the push of a file is, on disk: what is stored is not sent again, whatever was killed in between; what was refused is.

The first line names the file by its digest, each further one a batch that is receipted. A line that was cut short is as if it were not there.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self
from uuid import uuid4

import msgspec

from yiyang.client.receipts import Receipt


class JournalError(Exception):
    """The journal is another file's."""


class Head(msgspec.Struct, frozen=True):
    """`run` is drawn anew with each journal: under its keys nobody else has sent anything."""

    digest: str
    run: str = msgspec.field(default_factory=lambda: uuid4().hex)


class Done(msgspec.Struct, frozen=True):
    """What came of a batch: receipts by the order of its `lines`."""

    lines: tuple[int, ...]
    receipts: tuple[Receipt, ...]


class Journal:
    """`receipts` are the last ones of the lines that were sent, `tries` how often each was."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._head = Head(digest)
        self.receipts: dict[int, Receipt] = {}
        self.tries: Counter[int] = Counter()

    @property
    def run(self) -> str:
        return self._head.run

    def is_stored(self, line: int) -> bool:
        return line in self.receipts and not self.receipts[line].is_refused

    def __enter__(self) -> Self:
        lines = [*self._whole_lines()]
        if lines:
            known = msgspec.json.decode(lines[0], type=Head)
            if known.digest != self._head.digest:
                raise JournalError(self._path)
            self._head = known
        for line in lines[1:]:
            self._count(msgspec.json.decode(line, type=Done))
        self._file: BinaryIO = self._path.open("r+b" if lines else "wb")
        self._file.seek(sum(len(line) for line in lines))
        self._file.truncate()
        if not lines:
            self._write(self._head)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, done: Done) -> None:
        """On disk before it is counted."""
        self._write(done)
        self._count(done)

    def _count(self, done: Done) -> None:
        self.receipts |= zip(done.lines, done.receipts, strict=True)
        self.tries.update(done.lines)

    def _whole_lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    yield line
        except FileNotFoundError:
            return

    def _write(self, what: Head | Done) -> None:
        self._file.write(msgspec.json.encode(what) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
