"""The way of the registry to its tables: one transaction, and less than two seconds for it.

https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

import asyncpg
import msgspec
from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.database import DatabaseUnavailable

ANSWER_SECONDS = 1.7

Rows = Sequence[Row[Any]]
Record = TypeVar("Record", bound=msgspec.Struct)

# asyncpg's own errors come through unwrapped only while connecting.
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, OperationalError, InterfaceError)


async def run(engine: AsyncEngine, *statements: Executable) -> list[Rows]:
    """Run the statements in one transaction and return the rows of each; DatabaseUnavailable when it does not answer."""
    task = asyncio.create_task(_run(engine, statements))
    task.add_done_callback(_forget)
    # Cancelled work takes its own two seconds to let go of a silent server: nobody waits for that.
    await asyncio.wait({task}, timeout=ANSWER_SECONDS)
    if not task.done():
        task.cancel()
        raise DatabaseUnavailable
    try:
        return task.result()
    except _AWAY as error:
        raise DatabaseUnavailable from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from error
        raise


def as_struct(row: Row[Any], kind: type[Record]) -> Record:
    """Return a row whose columns are the fields of a Struct, in their order, as one."""
    fields = [field.name for field in msgspec.structs.fields(kind)]
    return msgspec.convert(dict(zip(fields, row, strict=True)), kind)


async def _run(engine: AsyncEngine, statements: Sequence[Executable]) -> list[Rows]:
    async with engine.begin() as connection:
        results = [await connection.execute(statement) for statement in statements]
        return [result.all() if result.returns_rows else () for result in results]


def _forget(task: asyncio.Task[list[Rows]]) -> None:
    if not task.cancelled():
        task.exception()  # seen here, so that the loop does not report work that was given up
