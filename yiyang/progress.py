"""How far a long command is, on one line of standard error; a log gets a line now and then instead."""

import sys
import time
from typing import Final

_WIDTH: Final = 30
_EVERY: Final = {True: 0.1, False: 5.0}  # seconds, at a terminal and into a file


class Progress:
    """Of `total` things of one kind; `also` counts what belongs to them."""

    def __init__(self, total: int, says: str) -> None:
        self._total = max(total, 1)
        self._says = says
        self._done = self._also = 0
        self._began = time.monotonic()
        self._told = 0.0
        self._is_terminal = sys.stderr.isatty()

    def advance(self, done: int, also: int = 0) -> None:
        self._done += done
        self._also += also
        now = time.monotonic()
        if now - self._told >= _EVERY[self._is_terminal] or self._done == self._total:
            self._told = now
            self._tell(now - self._began)

    def _tell(self, seconds: float) -> None:
        share = self._done / self._total
        bar = "█" * round(share * _WIDTH) + "░" * (_WIDTH - round(share * _WIDTH))
        rate = self._also / seconds if seconds else 0.0
        left = seconds / share - seconds if share else 0.0
        line = f"{self._says} {bar} {self._done:,}/{self._total:,} · {self._also:,} 条 · {rate:,.0f}/s · {left:.0f} s"
        end = "\n" if self._done == self._total or not self._is_terminal else ""
        sys.stderr.write(f"{chr(13) if self._is_terminal else ''}{line}{end}")
        sys.stderr.flush()
