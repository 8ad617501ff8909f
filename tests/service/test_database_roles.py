"""The database refuses what a service has no business with, whatever its code says: docs/adr/0018"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from services.fhir.store.roles import GATEWAY, TRANSACTION, WIDEN
from services.kit.database import Database, role_of
from tests.builders import create, patient, transaction
from tests.house import Fhir
from tests.minimal import minimal
from yiyang.migrate import migrate

As = Callable[[str], AbstractAsyncContextManager[Any]]
ROLES = (*map(role_of, ("records", "referral", "care")), TRANSACTION, GATEWAY)


@pytest.fixture
def as_role(database_url: str) -> As:
    @asynccontextmanager
    async def connected(role: str) -> AsyncIterator[Any]:
        database = Database(database_url, 1, role)
        async with database.connection() as connection:
            yield connection
        await database.close()

    return connected


async def test_a_connection_begins_as_its_service(as_role: As) -> None:
    async with as_role("yiyang_care") as connection:
        assert await connection.fetchval("SELECT current_user") == "yiyang_care"


WRITES = """INSERT INTO fhir.{table} (id, shard, version, updated, method, deleted, tokens, strings, words)
VALUES ('role-test', 0, 1, now(), 'POST', false, '{{}}', '{{}}', '{{}}')"""


@pytest.mark.parametrize(
    ("service", "own", "foreign"),
    [("records", "patient", "task"), ("referral", "task", "careplan"), ("care", "careplan", "patient")],
)
async def test_a_service_writes_only_the_tables_of_its_types(as_role: As, service: str, own: str, foreign: str) -> None:
    async with as_role(role_of(service)) as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute(WRITES.format(table=own))
        await connection.fetch(f"SELECT id FROM fhir.{foreign} LIMIT 1")
        await undone.rollback()
        for sql in (
            WRITES.format(table=foreign),
            f"DELETE FROM fhir.{foreign}",
            f"UPDATE fhir.{foreign} SET version = 9",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE fhir.audit SET client = 'x'",
        "DELETE FROM fhir.audit",
        "TRUNCATE fhir.audit",
        "UPDATE fhir.audit_block SET number = 0",
        "DELETE FROM fhir.audit_block",
        "INSERT INTO fhir.audit_prune SELECT * FROM fhir.audit_prune",
        "DELETE FROM fhir.history",
        "UPDATE fhir.history SET body = ''",
        "DROP TABLE fhir.audit",
        "ALTER TABLE fhir.audit DISABLE TRIGGER ALL",
    ],
)
async def test_nobody_changes_or_deletes_what_is_remembered(as_role: As, role: str, sql: str) -> None:
    async with as_role(role) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)


async def test_the_gateway_reads_no_records_and_a_service_no_secrets_of_the_gateway(as_role: As) -> None:
    async with as_role(GATEWAY) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT id FROM fhir.patient")
    async with as_role("yiyang_records") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT private_key FROM gateway.signing_key")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT jwks FROM gateway.client")
        await connection.fetch("SELECT client_id, is_disabled FROM gateway.client")


async def test_a_wider_role_ends_with_its_transaction(as_role: As) -> None:
    async with as_role("yiyang_care") as connection:
        async with connection.transaction():
            await connection.execute(WIDEN)
            assert await connection.fetchval("SELECT current_user") == TRANSACTION
        assert await connection.fetchval("SELECT current_user") == "yiyang_care"


async def test_a_commit_across_owners_is_one_and_a_lone_write_stays_narrow(fhir: Fhir) -> None:
    answer = await fhir.post("/", transaction(create(patient()), create(minimal("Task")), create(minimal("CarePlan"))))
    assert answer.status_code == 200, answer.text
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["201"] * 3


async def test_grants_are_made_again_where_they_are_gone(database_url: str, as_role: As) -> None:
    owner = await asyncpg.connect(database_url)
    await owner.execute("REVOKE ALL ON ALL TABLES IN SCHEMA fhir FROM yiyang_transaction, yiyang_records")
    await owner.close()
    await asyncio.to_thread(migrate, database_url)
    async with as_role("yiyang_records") as connection:
        assert await connection.fetchval("SELECT has_table_privilege('fhir.patient', 'INSERT')")
