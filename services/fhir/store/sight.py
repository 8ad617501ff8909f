"""What one request sees of the tables, on one connection: https://hl7.org/fhir/R4/http.html#read"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from services.fhir.access.access import Access
from services.fhir.outcomes import forbidden, not_found
from services.fhir.scopes import DELETE, UPDATE
from services.fhir.search.query import SearchQuery
from services.fhir.store import history, read, search
from services.fhir.store.read import Writable, admits
from services.fhir.store.rows import Claim, Stored
from services.fhir.store.searches_together import may_gather as may_search_with_others
from services.kit.database import LateConnection

if TYPE_CHECKING:
    from services.fhir.store.store import Stores

Known = Mapping[tuple[str, str], Writable]
"""What is to be replaced, by type and id."""
NOTHING_KNOWN: Final[Known] = MappingProxyType({})
T = TypeVar("T")


class Sight:
    """As far as the caller of `stores` may see."""

    def __init__(self, connection: Any, stores: "Stores") -> None:
        self._connection = connection
        self._stores = stores
        self._fetched: dict[tuple[str, str], Writable] = {}

    async def read(self, resource_type: str, resource_id: str) -> Stored | None:
        return self._opened(await read.current(self._connection, resource_type, resource_id, self.access))

    async def fetch(self, resource_type: str, ids: Sequence[str]) -> None:
        """Read in one round trip what is to be written, for `to_write` and `to_delete` to give it one by one."""
        unknown = [each for each in ids if (resource_type, each) not in self._fetched]
        found = await read.many_to_write(self._connection, resource_type, unknown, self.access) if unknown else {}
        self._fetched |= {(resource_type, resource_id): each for resource_id, each in found.items()}

    async def fetch_named(self, names: Iterable[str]) -> None:
        """The same for resources of any types, by `Type/id`."""
        unknown = {name for name in names if tuple(name.split("/", 1)) not in self._fetched}
        if unknown:
            self._fetched |= await read.named_to_write(self._connection, sorted(unknown), self.access)

    def know(self, known: Known) -> None:
        """What was read a moment ago for the same caller is not read again."""
        self._fetched.update(known)

    @property
    def access(self) -> Access:
        """For whom this store reads and writes."""
        return self._stores.access

    async def to_write(self, resource_type: str, resource_id: str) -> Stored | None:
        """What is to be replaced; 404 for a resource that is there and out of the writer's reach."""
        found, is_out_of_reach = await self._to_write(resource_type, resource_id, UPDATE)
        if is_out_of_reach:
            await self._check_invisible(resource_type, resource_id)
            raise not_found(f"No such {resource_type}", text="未找到该资源")
        return found

    async def to_delete(self, resource_type: str, resource_id: str) -> Stored | None:
        """The same, where what is out of reach is as good as not there."""
        found, is_out_of_reach = await self._to_write(resource_type, resource_id, DELETE)
        if is_out_of_reach:
            await self._check_invisible(resource_type, resource_id)
        return found

    async def _to_write(self, resource_type: str, resource_id: str, letter: str) -> Writable:
        """What the scopes leave is looked at here, by what is there: docs/adr/0049"""
        name = resource_type, resource_id
        if name not in self._fetched:
            self._fetched[name] = await self._read_to_write(resource_type, resource_id)
        found, out = self._fetched[name]
        if found is not None and not admits(self.access, letter, found):
            return None, True
        return self._opened(found), out

    async def _read_to_write(self, resource_type: str, resource_id: str) -> Writable:
        if self._is_free:
            return await self._stores.reads.to_write(resource_type, resource_id, self.access)
        return await read.to_write(self._connection, resource_type, resource_id, self.access)

    @property
    def _is_free(self) -> bool:
        """No connection was needed yet, so what others do at the same time may be done with it (docs/adr/0023)."""
        return isinstance(self._connection, LateConnection) and not self._connection.is_open

    async def _check_invisible(self, resource_type: str, resource_id: str) -> None:
        """Who may read and not write is told so; to all others there is nothing."""
        if await self.read(resource_type, resource_id) is not None:
            raise forbidden(f"This {resource_type} can only be read here", text="仅可查阅，不可修改")

    async def read_many(self, resource_type: str, ids: Sequence[str]) -> list[Stored]:
        found = await read.many(self._connection, resource_type, ids, self.access)
        return self._all_opened(found)

    async def vread(self, resource_type: str, resource_id: str, version: int) -> Stored | None:
        found = await read.version(self._connection, resource_type, resource_id, version, self.access)
        return self._opened(found)

    async def _search(self, query: SearchQuery) -> search.Page:
        keys = self._stores.cursor_key
        statement = search.statement_alone(query, keys, self.access) if self._is_free else None
        if statement is None or not may_search_with_others(statement):
            return await search.search(self._connection, query, keys, self.access)
        records = await self._stores.searches.fetch(statement, self.access)
        return search.page_alone(query, statement, records, keys)

    async def search(self, query: SearchQuery) -> search.Page:
        if (vault := self._stores.vault) is None:
            return await self._search(query)
        page = await self._search(vault.blinded_query(query))
        matches, included = (tuple(map(vault.opened, found)) for found in (page.matches, page.included))
        return msgspec.structs.replace(page, matches=matches, included=included)

    async def first_pages(self, queries: Sequence[SearchQuery]) -> list[list[Stored]]:
        """Of each search, which is about one type and has nothing included, what stands on its first page; all in one round trip."""
        vault = self._stores.vault
        asked = queries if vault is None else [vault.blinded_query(query) for query in queries]
        found = await search.first_pages(self._connection, asked, self.access)
        return [self._all_opened(each) for each in found]

    async def capped_counts(self, queries: Sequence[SearchQuery], most: int) -> list[int]:
        """How much each of several plain searches finds, up to one more than `most`."""
        vault = self._stores.vault
        blinded = queries if vault is None else [vault.blinded_query(each) for each in queries]
        return await search.capped_counts(self._connection, blinded, most, self.access)

    async def turn(self, key: str) -> Claim:
        """To be asked for before one looks whether what the key names is there."""
        return Claim(key, await read.turn(self._connection, key))

    async def turns(self, keys: Sequence[str]) -> dict[str, Claim]:
        """The same for many keys, in one round trip, with what was made under each so far."""
        return await read.turns(self._connection, keys) if keys else {}

    async def history(self, query: history.HistoryQuery) -> history.Versions:
        versions = await history.history(self._connection, query, self.access)
        return msgspec.structs.replace(versions, found=self._all_opened(versions.found))

    async def run(self, act: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """What another module of this room does, on the connection of this request."""
        return await act(self._connection, *arguments)

    def _opened(self, found: Stored | None) -> Stored | None:
        return found and self._stores.opened(found)

    def _all_opened(self, found: list[Stored]) -> list[Stored]:
        return found if self._stores.vault is None else [*map(self._stores.opened, found)]
