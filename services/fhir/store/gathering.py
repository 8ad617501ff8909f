"""Those who meet leave together: while one statement is under way, further askers of its kind gather for the next (docs/adr/0006, docs/adr/0023).

Each still waits for its own answer, and learns of whatever kept it from having one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

Kind = TypeVar("Kind", bound=Hashable)
Asked = TypeVar("Asked")
Found = TypeVar("Found")


class _Waiting(NamedTuple, Generic[Asked, Found]):
    asked: Asked
    found: "asyncio.Future[Found]"


class Gathering(Generic[Kind, Asked, Found]):
    """One per process and mechanism. `answer` gives one answer for each that asks, in their order, or raises for all of them.

    `most` leave at once, of those with the same `identity` the first alone; all of them where there is none.
    """

    def __init__(
        self,
        answer: Callable[[Kind, Sequence[Asked]], Awaitable[Sequence[Found]]],
        most: int | None = None,
        identity: Callable[[Asked], Hashable] | None = None,
    ) -> None:
        self._answer = answer
        self._most = most
        self._identity = identity
        self._waiting: dict[Kind, list[_Waiting[Asked, Found]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, kind: Kind, asked: Asked) -> Found:
        found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        if (gathered := self._waiting.get(kind)) is not None:
            gathered.append(_Waiting(asked, found))
        else:
            self._waiting[kind] = [_Waiting(asked, found)]
            task = asyncio.create_task(self._run(kind))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await found

    async def _run(self, kind: Kind) -> None:
        """Until nobody of this kind waits any more."""
        while self._waiting[kind]:
            leaving, self._waiting[kind] = self._parted(self._waiting[kind])
            try:
                found = await self._answer(kind, [each.asked for each in leaving])
            except BaseException as error:  # noqa: BLE001 - whatever it was, those who wait must learn of it
                for each in leaving:
                    if not each.found.done():
                        each.found.set_exception(error)
            else:
                for each, own in zip(leaving, found, strict=True):
                    if not each.found.done():  # a request that was cancelled meanwhile waits no more
                        each.found.set_result(own)
        del self._waiting[kind]

    def _parted(
        self, waiting: list[_Waiting[Asked, Found]]
    ) -> tuple[list[_Waiting[Asked, Found]], list[_Waiting[Asked, Found]]]:
        """Who leaves now and who stays."""
        if self._identity is None:
            return waiting[: self._most], [] if self._most is None else waiting[self._most :]
        leaving = {self._identity(each.asked): each for each in reversed(waiting[: self._most])}
        stays = [each for each in waiting if leaving.get(self._identity(each.asked)) is not each]
        return [*leaving.values()][::-1], stays
