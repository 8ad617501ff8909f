"""Reads by id that meet leave together, as audit rows do: one statement for all that one caller asks of a type (docs/adr/0023).

A read alone goes out at once, with its shard. What a read costs is mostly the message to PostgreSQL and back, two wake-ups of a process: at 16
connections on two cores 2.9 k reads/s were sent alone.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec

from services.fhir.access.access import Access
from services.fhir.store import read
from services.fhir.store.gathering import Gathering
from services.fhir.store.read import Seen, Writable
from services.fhir.store.rows import Stored
from services.kit.database import Database

MOST: Final = 100
_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


def whenever(access: Access) -> Access:
    """One caller's, whenever it asks: a basis counts at the time of the last one who asked, as all of them still wait for the answer."""
    return msgspec.structs.replace(access, at=_ANY_TIME)


class _Kind(msgspec.Struct, frozen=True):
    type: str
    access: Access
    way: Literal["read", "write", "change"]


class _Asked(NamedTuple):
    id: str
    access: Access


class ReadsTogether:
    """One per process. `DatabaseUnavailable` when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering: Gathering[_Kind, _Asked, Any] = Gathering(self._answer, MOST)

    async def read(self, resource_type: str, resource_id: str, access: Access) -> Stored | None:
        """What `read.current` gives."""
        kind = _Kind(resource_type, whenever(access), "read")
        found: Stored | None = await self._gathering.ask(kind, _Asked(resource_id, access))
        return found

    async def to_write(self, resource_type: str, resource_id: str, access: Access) -> Writable:
        """What `read.to_write` gives."""
        kind = _Kind(resource_type, whenever(access), "write")
        found: Writable = await self._gathering.ask(kind, _Asked(resource_id, access))
        return found

    async def to_change(self, resource_type: str, resource_id: str, access: Access) -> Seen:
        """What `read.to_change` gives."""
        found: Seen = await self._gathering.ask(
            _Kind(resource_type, whenever(access), "change"), _Asked(resource_id, access)
        )
        return found

    async def _answer(self, kind: _Kind, asked: Sequence[_Asked]) -> Sequence[Any]:
        last = asked[-1]
        async with self._database.connection() as connection:
            if len(asked) == 1:
                return [await _ONE[kind.way](connection, kind.type, last.id, last.access)]
            found = await _MANY[kind.way](connection, kind.type, list({each.id for each in asked}), last.access)
            return [found.get(each.id) for each in asked]


async def _readable(connection: Any, resource_type: str, ids: Sequence[str], access: Access) -> Mapping[str, Any]:
    return {stored.id: stored for stored in await read.many(connection, resource_type, ids, access)}


_ONE: Final[Mapping[str, Callable[..., Awaitable[Any]]]] = {
    "read": read.current,
    "write": read.to_write,
    "change": read.to_change,
}
_MANY: Final[Mapping[str, Callable[..., Awaitable[Mapping[str, Any]]]]] = {
    "read": _readable,
    "write": read.many_to_write,
    "change": read.many_to_change,
}
