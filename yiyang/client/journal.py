"""How far the push of a file is, on disk: what was receipted is not sent again, whatever was killed in between.

The first line names the file by its digest, each further one a batch that is done. A line that was cut short is as if it were not there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from yiyang.client.receipts import Receipt


class JournalError(Exception):
    """The journal is another file's, or of other batches."""


class Head(msgspec.Struct, frozen=True):
    digest: str
    size: int  # lines of a batch


class Done(msgspec.Struct, frozen=True):
    """A batch from the line `first` on; receipts in its order."""

    first: int
    receipts: tuple[Receipt, ...]


class Journal:
    """`done` are the batches by their first lines."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path = path
        self._head = head
        self.done: dict[int, Done] = {}

    def __enter__(self) -> Self:
        lines = [*self._whole_lines()]
        if lines and msgspec.json.decode(lines[0], type=Head) != self._head:
            raise JournalError(self._path)
        self.done = {each.first: each for each in (msgspec.json.decode(line, type=Done) for line in lines[1:])}
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
        self.done[done.first] = done

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
