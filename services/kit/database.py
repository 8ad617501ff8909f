"""The one way to PostgreSQL: a raw asyncpg pool for the hot statements, a SQLAlchemy engine for everything else.

A database that is away raises `DatabaseUnavailable` within two seconds; the next request after its return succeeds (docs/adr/0004).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_SECONDS: Final = 1.5
STATEMENT_CACHE: Final = 2000
# A summary asks some seventeen types at once, and to plan that takes longer than to answer it; asyncpg forgets what is longer than 15 KiB.
LONGEST_KEPT: Final = 64 * 1024

# The SQL is shaped so that its generic plan is right; a custom plan costs 0.8 ms of planning a call (docs/adr/0004).
SESSION: Final[Mapping[str, str]] = {"plan_cache_mode": "force_generic_plan", "jit": "off", "timezone": "UTC"}

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was told of its end and is not closed yet
)


def role_of(service: str) -> str:
    """The database role as which a service works (docs/adr/0018)."""
    return f"yiyang_{service}"


class DatabaseUnavailable(Exception):  # noqa: N818 - the state it names, not a mistake
    """The database did not answer; the request may be sent again."""


def is_of_database(error: Exception) -> bool:
    """Has the database failed, and not what was asked of it? A value that it does not take is the asker's own."""
    failures = (DatabaseUnavailable, asyncpg.PostgresError, *_AWAY)
    return isinstance(error, failures) and not isinstance(error, asyncpg.DataError)


class Database:
    """One logical PostgreSQL. Opened and closed by the app's lifespan; opening does not need the server to be up.

    Each connection takes `role` as it begins, which costs no round trip; None stays the user of the URL.
    """

    def __init__(self, url: str, pool_size: int = 8, role: str | None = None) -> None:
        self.url = url
        self.pool_size = pool_size
        self._session = {**SESSION, **({"role": role} if role else {})}
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_pre_ping=True,
            pool_size=2,
            connect_args={"timeout": CONNECT_SECONDS, "server_settings": {"role": role} if role else {}},
        )

    async def close(self) -> None:
        await self.engine.dispose()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    @property
    def open_connections(self) -> int:
        return self._pool.get_size() if self._pool else 0

    @property
    def idle_connections(self) -> int:
        return self._pool.get_idle_size() if self._pool else 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A raw asyncpg connection in autocommit; `DatabaseUnavailable` when the server is away."""
        try:
            pool = self._pool or await self._open()
            # who finds one idle does not wait, and need not pay for a timer
            async with pool.acquire(timeout=None if pool.get_idle_size() else CONNECT_SECONDS) as connection:
                yield connection
        except _AWAY as error:
            raise DatabaseUnavailable from error

    @asynccontextmanager
    async def late_connection(self) -> AsyncIterator["LateConnection"]:
        """The same, taken when it is first asked for something: who need not have one does not wait for one."""
        async with AsyncExitStack() as stack:
            yield LateConnection(self, stack)

    async def is_ready(self) -> bool:
        try:
            async with asyncio.timeout(2), self.connection() as connection:
                await connection.fetchval("SELECT 1")
        except (DatabaseUnavailable, TimeoutError):
            return False
        return True

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url.replace("postgresql+asyncpg://", "postgresql://"),
                    min_size=1,
                    max_size=self.pool_size,
                    timeout=CONNECT_SECONDS,
                    reset=_keep_session,
                    statement_cache_size=STATEMENT_CACHE,
                    max_cached_statement_lifetime=0,
                    max_cacheable_statement_size=LONGEST_KEPT,
                    server_settings=self._session,
                )
            return self._pool


class LateConnection:
    """What an asyncpg connection does, once it is needed."""

    def __init__(self, database: Database, stack: AsyncExitStack) -> None:
        self._database = database
        self._stack = stack
        self._connection: Any = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def fetch(self, sql: str, *values: Any) -> Any:
        return await (await self._open()).fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        return await (await self._open()).fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        return await (await self._open()).fetchval(sql, *values)

    async def execute(self, sql: str, *values: Any) -> Any:
        return await (await self._open()).execute(sql, *values)

    async def executemany(self, sql: str, values: Any) -> Any:
        return await (await self._open()).executemany(sql, values)

    @asynccontextmanager
    async def transaction(self, first: str = "") -> AsyncIterator[None]:
        """`first` is said together with BEGIN: it costs no round trip of its own."""
        connection = await self._open()
        try:
            await connection.execute(f"BEGIN; {first}")
            yield
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")

    async def _open(self) -> Any:
        if self._connection is None:
            self._connection = await self._stack.enter_async_context(self._database.connection())
        return self._connection


async def _keep_session(_connection: Any) -> None:
    """Nothing here changes session state, so the pool's RESET, a round trip on each release, is spared."""
