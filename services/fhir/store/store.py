"""What one request may do with the tables: reads go out at once, writes wait for the one commit (docs/adr/0002)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from random import uniform
from types import MappingProxyType
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import msgspec

from services.fhir.access.access import NOBODY, Access
from services.fhir.outcomes import conflict, forbidden, not_found
from services.fhir.scopes import DELETE, UPDATE
from services.fhir.search.query import SearchQuery
from services.fhir.store import history, read, search, write
from services.fhir.store.audit_log import Audit
from services.fhir.store.cursors import own_keys
from services.fhir.store.idempotency import Answered, Remembers
from services.fhir.store.read import Writable, admits
from services.fhir.store.roles import WIDEN
from services.fhir.store.rows import AuditRow, Claim, Stored, Write, stored
from services.fhir.store.searches_together import SearchesTogether
from services.fhir.store.searches_together import may_gather as may_search_with_others
from services.fhir.store.terms import Terms, joined
from services.fhir.store.together import ReadsTogether
from services.fhir.store.vault import Vault
from services.fhir.store.writes_together import WritesTogether, may_gather
from services.kit.bell import Bell
from services.kit.clock import Clock
from services.kit.database import Database, LateConnection

Known = Mapping[tuple[str, str], Writable]
"""What is to be replaced, by type and id."""
NOTHING_KNOWN: Final[Known] = MappingProxyType({})

ATTEMPTS: Final = 12
SHORTEST_PAUSE: Final = 0.002
LONGEST_PAUSE: Final = 0.1
T = TypeVar("T")


@lru_cache(maxsize=1024)
def _own_key(key: bytes, organization: str, person: str | None) -> bytes:
    return own_keys(key, organization, person or "")


class UnansweredError(Exception):
    """A commit under an Idempotency-Key was about to be made without its answer."""


class RehearsedError(Exception):
    """A version on which nobody has decided was about to be committed."""


class Store:
    """Bound to one connection for the length of one request, from the moment in which it needs one."""

    def __init__(self, connection: Any, stores: "Stores") -> None:
        self._connection = connection
        self._stores = stores
        self._writes: list[Write] = []
        self._audit: list[AuditRow] = []
        self._claims: list[Claim] = []
        self._terms: list[Terms] = []
        self._answer: Answered | None = None
        self._platform: Store | None = None
        self._fetched: dict[tuple[str, str], Writable] = {}

    def as_platform(self) -> "Store":
        """On the same connection, what the platform itself sees; for reading only."""
        if self._platform is None:
            self._platform = Store(self._connection, self._stores.as_platform())
        return self._platform

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

    def put(self, version: Write) -> Stored:
        """Add a version that its owner has prepared (`interactions/prepare.py`) to the commit."""
        if version.is_rehearsed:
            raise RehearsedError(version.type)
        self._writes.append(self._sealed(version))
        return stored(version)

    def agree(self, terms: Terms) -> None:
        """Add what the commit asks for and writes beside its versions."""
        self._terms.append(terms)

    def claim(self, *claims: Claim) -> None:
        """Let the commit fail when another one took one of these since it was seen."""
        self._claims.extend(claims)

    def audit(self, row: AuditRow) -> None:
        """Add what the commit makes durable besides the versions."""
        self._audit.append(row)

    def answer(self, what: Answered) -> None:
        """What the request is answered when this commit is made: remembered by it where the request has a key (docs/adr/0035)."""
        if self._stores.effect is not None:
            self._answer = what

    async def run(self, act: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """What another module of this room does, on the connection of this request."""
        return await act(self._connection, *arguments)

    async def commit(self) -> list[AuditRow]:
        """Write; what is to be remembered of a request that wrote nothing is given back, as it needs no connection of this store."""
        writes, audit, claims, terms = self._taken()
        if not writes and not terms:
            await self._keep(audit)
            self._kept()
            return audit
        if (
            self._stores.effect is None
            and not claims
            and not terms
            and await self._is_written_with_others(writes, audit)
        ):
            self._stores.bell.ring()
            return []
        if self._stores.effect is None and self._owns(writes, terms):
            await write.commit(self._connection, writes, audit, claims, self.access, terms)
        else:
            async with self._connection.transaction(self._role(writes, terms)):
                await write.write_inside(self._connection, writes, audit, claims, self.access, terms)
                await self._keep(audit)
        self._kept()
        self._stores.bell.ring()
        return []

    async def _keep(self, audit: Sequence[AuditRow]) -> None:
        """In the commit, what it is answered; a request with a key that says nothing of its answer would be done twice."""
        if (effect := self._stores.effect) is None or effect.is_done:
            return
        if self._answer is None:
            raise UnansweredError
        await effect.keep(self._connection, self._answer, audit, self._stores.vault)

    def _kept(self) -> None:
        if self._stores.effect is not None:
            self._stores.effect.is_done = True

    async def _is_written_with_others(self, writes: Sequence[Write], audit: Sequence[AuditRow]) -> bool:
        if self._is_free and self._owns(writes, write.NOTHING) and may_gather(writes, audit):
            return await self._stores.writes.write(writes[0], audit[0], self.access)
        return False

    async def commit_after(self, look: Callable[["Stores"], Awaitable[T]]) -> T:
        """Write, let `look` read the tables with the writes in them, then commit; what `look` raises undoes the writes."""
        writes, audit, claims, terms = self._taken()
        async with self._connection.transaction(self._role(writes, terms)):
            await write.write_inside(self._connection, writes, audit, claims, self.access, terms)
            result = await look(self._inside())
            await self._keep(audit)
        self._kept()
        self._stores.bell.ring()
        return result

    async def rehearse(self, writes: Sequence[Write], look: Callable[["Stores"], Awaitable[T]]) -> T:
        """Let `look` read the tables with the writes in them, then undo the writes."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            if role := self._role(writes, write.NOTHING):
                await self._connection.execute(role)
            await write.write_inside(self._connection, [*map(self._sealed, writes)], (), (), self.access)
            return await look(self._inside())
        finally:
            await transaction.rollback()

    def _sealed(self, version: Write) -> Write:
        return version if self._stores.vault is None else self._stores.vault.sealed(version)

    def _opened(self, found: Stored | None) -> Stored | None:
        return found and self._stores.opened(found)

    def _all_opened(self, found: list[Stored]) -> list[Stored]:
        return found if self._stores.vault is None else [*map(self._stores.opened, found)]

    def _owns(self, writes: Sequence[Write], terms: Terms) -> bool:
        return self._stores.owned.issuperset((*(each.type for each in writes), *(each.type for each in terms.rests_on)))

    def _role(self, writes: Sequence[Write], terms: Terms) -> str:
        """A commit across owners takes its wider role, for this transaction only (docs/adr/0018)."""
        return "" if self._owns(writes, terms) else WIDEN

    def _taken(self) -> tuple[list[Write], list[AuditRow], list[Claim], Terms]:
        taken = self._writes, self._audit, self._claims, joined(self._terms)
        self._writes, self._audit, self._claims, self._terms = [], [], [], []
        return taken

    def _inside(self) -> "Stores":
        return _OpenStores(
            **msgspec.structs.asdict(self._stores) | {"audit_log": _InsideAudit(self._connection)}, store=self
        )


class _InsideAudit:
    """Audit rows of what is read inside an open transaction: they become durable with it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def record(self, *rows: AuditRow) -> None:
        await write.write_inside(self._connection, (), rows, (), NOBODY)


class Stores(msgspec.Struct, frozen=True):
    """Made once per deployable: the database, the types it owns, and what every request needs of it."""

    database: Database
    owned: frozenset[str]
    audit_log: Audit
    clock: Clock
    cursor_key: bytes
    reads: ReadsTogether
    searches: SearchesTogether
    writes: WritesTogether
    access: Access = NOBODY
    vault: Vault | None = None
    turnstile: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    doors: WeakValueDictionary[str, asyncio.Lock] = msgspec.field(default_factory=WeakValueDictionary)
    bell: Bell = msgspec.field(default_factory=Bell)
    effect: Remembers | None = None  # of a request with an Idempotency-Key, or of a message

    def door(self, key: str) -> asyncio.Lock:
        """Who wants to claim the same passes one at a time in this process: the later find what the first one made."""
        return self.doors.setdefault(key, asyncio.Lock())

    def seen_by(self, access: Access) -> "Stores":
        """The same tables as far as this caller may know; page links are this caller's alone."""
        key = _own_key(self.cursor_key, access.organization, access.person)
        return msgspec.structs.replace(self, access=access, cursor_key=key)

    def as_platform(self) -> "Stores":
        """The same tables without a limit, for the platform's own part of what a caller does."""
        return msgspec.structs.replace(self, access=msgspec.structs.replace(self.access, is_system=True, limits=None))

    def opened(self, stored: Stored) -> Stored:
        """A version with what is encrypted at rest as it was sent; for those who read past a Store (docs/adr/0021)."""
        return stored if self.vault is None else self.vault.opened(stored)

    def opened_text(self, body: str, resource_type: str, resource_id: str) -> str:
        return body if self.vault is None else self.vault.opened_text(body, f"{resource_type}/{resource_id}")

    async def read(self, resource_type: str, resource_id: str) -> Stored | None:
        """The newest version, as `Store.read` gives it; reads that meet leave together."""
        stored = await self.reads.read(resource_type, resource_id, self.access)
        return stored if stored is None else self.opened(stored)

    async def to_change(self, resource_type: str, resource_id: str) -> tuple[Stored | None, Known]:
        """The newest version as `read` gives it, and what a commit has to know of the same to replace it."""
        shown, writable = await self.reads.to_change(resource_type, resource_id, self.access)
        return shown and self.opened(shown), {(resource_type, resource_id): writable}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Store]:
        """A store for one attempt of one request; what was put into it is written by its `commit`."""
        async with self.database.late_connection() as connection:
            yield Store(connection, self)

    async def reading(self, work: Callable[[Store], Awaitable[T]]) -> T:
        async with self.database.late_connection() as connection:
            return await work(Store(connection, self))

    async def committing_once(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Run `work` and commit what it put; `VersionConflict` when another commit came first."""
        async with self.open() as store:
            result = await work(store)
            store.answer(result)  # type: ignore[arg-type]  # a request with a key is answered with an Answer
            unwritten = await store.commit()
        if unwritten:
            await self.audit_log.record(*unwritten)
        return result

    async def rehearsing(self, writes: Sequence[Write], look: Callable[["Stores"], Awaitable[T]]) -> T:
        async with self.database.connection() as connection:
            return await Store(connection, self).rehearse(writes, look)

    async def retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Serialisation failures and deadlocks end here: a caller sees 409 at the worst, and never a write that was not made.

        Those who met another commit try again one at a time: of many writers of one row only as many contend as there are processes.
        Between two attempts no connection is held.
        """
        try:
            return await attempt()
        except write.VersionConflict:
            pass
        async with self.turnstile:
            for n in range(1, ATTEMPTS):
                try:
                    return await attempt()
                except write.VersionConflict:
                    pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**n)
                    await asyncio.sleep(uniform(0, pause))  # noqa: S311 - not a secret
        raise conflict("Other writers kept coming first; read the resource again and retry", code="conflict")


class _OpenStores(Stores, frozen=True, kw_only=True):
    """The same to a reader, but inside the transaction that `store` holds open."""

    store: Store

    async def read(self, resource_type: str, resource_id: str) -> Stored | None:
        return await self.store.read(resource_type, resource_id)

    async def reading(self, work: Callable[[Store], Awaitable[T]]) -> T:
        return await work(self.store)
