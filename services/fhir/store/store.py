"""What one request may do with the tables: reads go out at once (sight.py), writes wait for the one commit (docs/adr/0002)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from random import uniform
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import msgspec

from services.fhir.access.access import NOBODY, Access
from services.fhir.outcomes import conflict
from services.fhir.store import write
from services.fhir.store.audit_log import Audit
from services.fhir.store.cursors import own_keys
from services.fhir.store.idempotency import Answered, Remembers
from services.fhir.store.roles import WIDEN
from services.fhir.store.rows import AuditRow, Claim, Stored, Write, stored
from services.fhir.store.searches_together import SearchesTogether
from services.fhir.store.sight import Known, Sight
from services.fhir.store.terms import Terms, joined
from services.fhir.store.together import ReadsTogether
from services.fhir.store.vault import Vault
from services.fhir.store.writes_together import WritesTogether, may_gather
from services.kit.bell import Bell
from services.kit.clock import Clock
from services.kit.database import Database

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


class Store(Sight):
    """Bound to one connection for the length of one request, from the moment in which it needs one."""

    def __init__(self, connection: Any, stores: "Stores") -> None:
        super().__init__(connection, stores)
        self._writes: list[Write] = []
        self._audit: list[AuditRow] = []
        self._claims: list[Claim] = []
        self._terms: list[Terms] = []
        self._answer: Answered | None = None
        self._platform: Store | None = None

    def as_platform(self) -> "Store":
        """On the same connection, what the platform itself sees; for reading only."""
        if self._platform is None:
            self._platform = Store(self._connection, self._stores.as_platform())
        return self._platform

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
            self._stores.bell.ring({each.type for each in writes})
            return []
        if self._stores.effect is None and self._owns(writes, terms):
            await write.commit(self._connection, writes, audit, claims, self.access, terms)
        else:
            async with self._connection.transaction(self._role(writes, terms)):
                await write.write_inside(self._connection, writes, audit, claims, self.access, terms)
                await self._keep(audit)
        self._kept()
        self._stores.bell.ring({each.type for each in writes})
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
        self._stores.bell.ring({each.type for each in writes})
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
