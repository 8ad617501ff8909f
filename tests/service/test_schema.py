"""The migrated database is what the code knows: docs/adr/0003"""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from gateway.registry.tables import metadata
from services.fhir.store.tables import all_tables
from services.kit.database import Database


@pytest.mark.parametrize("tables", [all_tables(), metadata], ids=lambda tables: tables.schema)
async def test_the_migrations_make_the_tables_that_the_code_knows(tables: MetaData, database_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"include_schemas": True, "compare_type": True, "include_name": _only(tables.schema)}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), tables))

    database = Database(database_url)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


def _only(schema: str | None) -> Any:
    return lambda name, kind, _parents: kind != "schema" or name == schema
