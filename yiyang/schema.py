"""Brings a database to the newest migration, and its roles to what they may: https://alembic.sqlalchemy.org/en/latest/api/commands.html"""

import asyncio
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.care.resources import SERVED as CARE
from services.fhir.store.roles import apply
from services.records.resources import SERVED as RECORDS
from services.referral.resources import SERVED as REFERRAL

OWNERS: Final = {
    name: [served.type for served in each]
    for name, each in (("records", RECORDS), ("referral", REFERRAL), ("care", CARE))
}
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
    apply(lambda sql: _first(connection, sql), OWNERS)
    connection.commit()


def _first(connection: Connection, sql: str) -> Any:
    done = connection.exec_driver_sql(sql)
    return done.scalar() if done.returns_rows else None
