"""A bell inside one process: rung after each commit, heard by those who work on what was committed.

Nothing depends on it but how soon they begin; who did not hear it looks by itself a little later.
https://docs.python.org/3/library/asyncio-sync.html#event
"""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from weakref import WeakSet


class Ear:
    """What one listener heard since it listened last: of anything, or of what it listens `for`."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._for: Collection[str] | None = None

    def only_for(self, kinds: Collection[str] | None) -> None:
        self._for = kinds

    def hear(self, kinds: Iterable[str]) -> None:
        if self._for is None or any(kind in self._for for kind in kinds):
            self._heard.set()

    async def listen(self, seconds: float) -> None:
        """Return when the bell was rung since the last time, or after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        self._heard.clear()


class Bell:
    def __init__(self) -> None:
        self._ears: WeakSet[Ear] = WeakSet()

    def ear(self) -> Ear:
        ear = Ear()
        self._ears.add(ear)
        return ear

    def ring(self, kinds: Collection[str] = ()) -> None:
        """Of what kinds something was done."""
        for ear in self._ears:
            ear.hear(kinds)
