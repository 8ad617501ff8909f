"""The way of the registry to its tables: one transaction, and two seconds for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.database import DatabaseUnavailable

ANSWER_SECONDS = 1.8

# asyncpg's own errors come through unwrapped only while connecting.
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OperationalError, InterfaceError)


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection whose work is committed at the end; DatabaseUnavailable when the database does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), engine.begin() as connection:
            yield connection
    except _AWAY as error:
        raise DatabaseUnavailable from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from error
        raise
