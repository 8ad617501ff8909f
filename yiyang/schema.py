"""Brings a database to the newest migration: https://alembic.sqlalchemy.org/en/latest/api/commands.html"""

import asyncio
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
MIGRATION_LOCK: Final = 0x796979616E67


def migrate(url: str) -> None:
    """Upgrade to the head. Replicas that start together take turns; the later ones find nothing to do."""
    asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        await connection.commit()  # the lock is the session's, the transactions are the migrations'
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
