"""The chain over the audit rows tells of each change, gap, insertion, exchange and cut: docs/adr/0016"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.fhir.audit.chain import sealing
from services.fhir.audit.row import row
from services.fhir.audit.sealer import Sealer
from services.fhir.audit.verification import Broken, Verified, verify
from services.fhir.store import audit_retention
from services.fhir.store.audit_log import AuditLog
from services.fhir.store.versions import AUDIT_INSERT, encode_audit
from services.kit.clock import SystemClock
from services.kit.database import Database
from tests.house import HIS

BY = sealing(b"a secret of this installation, for tests only")
INSERT = AUDIT_INSERT.format(rows="$1")


@pytest.fixture
async def database(clean_database: str) -> AsyncIterator[Database]:
    made = Database(clean_database)
    yield made
    await made.close()


@pytest.fixture
async def chain(database: Database) -> Verified:
    """Three blocks of four rows."""
    for _ in range(3):
        await record(database, 4)
        await seal(database)
    return await check(database)


async def record(database: Database, count: int, resource_type: str = "Patient") -> None:
    await AuditLog(database).record(
        *(row(datetime.now(UTC), HIS, "read", 200, resource_type, f"p{n}") for n in range(count))
    )


async def seal(database: Database, by: Any = BY) -> Any:
    return await Sealer(database, by, SystemClock()).seal()


async def check(database: Database, **how: Any) -> Verified:
    async with database.connection() as connection:
        return await verify(connection, how.pop("by", BY), **how)


async def run(database: Database, sql: str, *values: Any) -> None:
    async with database.connection() as connection:
        await connection.execute(sql, *values)


async def test_a_chain_that_nobody_touched_is_whole(chain: Verified) -> None:
    assert (chain.blocks, chain.rows, chain.pruned, chain.foreign) == (3, 12, 0, 0)


async def test_sm3_chains_as_sha256_does_and_one_may_follow_the_other(database: Database, chain: Verified) -> None:
    await record(database, 3)
    block = await seal(database, sealing(b"a secret of this installation, for tests only", "sm3"))
    assert (block.algorithm, block.number) == ("sm3", 4)
    assert (await check(database)).rows == 15


_SECOND = "(SELECT events[2] FROM fhir.audit_block WHERE number = 2)"


@pytest.mark.parametrize(
    ("tampering", "named"),
    [
        (f"UPDATE fhir.audit SET client = 'another' WHERE event = {_SECOND}", "block 2, row 2"),
        (f"DELETE FROM fhir.audit WHERE event = {_SECOND}", "block 2, row 2"),
        (f"INSERT INTO fhir.audit SELECT * FROM fhir.audit WHERE event = {_SECOND}", "block 2: a row is there twice"),
        (
            "INSERT INTO fhir.audit (event, at, interaction, status, client, request, shard, tx) VALUES ('put-in', now(), 'read', 200, 'c', 'r', 0, 5)",
            "AuditEvent/put-in is in no block",
        ),
        ("DELETE FROM fhir.audit_block WHERE number = 2", "block 2 is missing"),
        ("DELETE FROM fhir.audit_block WHERE number = 1", "block 1 is missing"),
        ("UPDATE fhir.audit_block SET number = number + 10 WHERE number = 3", "block 3 is missing"),
        (
            "UPDATE fhir.audit_block SET events = ARRAY[events[2], events[1], events[3], events[4]] WHERE number = 2",
            "block 2 was changed",
        ),
        ("UPDATE fhir.audit_block SET number = 6 - number, hash = hash WHERE number IN (2, 3)", "block 2 is missing"),
        ("UPDATE fhir.audit_block SET mac = hash WHERE number = 3", "block 3 was not made by this installation"),
        ("UPDATE fhir.audit_block SET previous = hash WHERE number = 3", "block 3 does not follow"),
    ],
)
async def test_each_tampering_is_named(database: Database, chain: Verified, tampering: str, named: str) -> None:
    await run(database, tampering)
    with pytest.raises(Broken, match=named.replace("(", r"\(")):
        await check(database)


async def test_a_cut_end_is_seen_by_who_saw_the_head_before(database: Database, chain: Verified) -> None:
    await run(
        database, "DELETE FROM fhir.audit WHERE event IN (SELECT unnest(events) FROM fhir.audit_block WHERE number = 3)"
    )
    await run(database, "DELETE FROM fhir.audit_block WHERE number = 3")
    assert (await check(database)).blocks == 2, "by itself a shorter chain is whole"
    with pytest.raises(Broken, match="block 3 is missing"):
        await check(database, seen=chain.head)


async def test_a_chain_made_anew_without_the_key_is_seen(database: Database, chain: Verified) -> None:
    await run(database, "DELETE FROM fhir.audit_block")
    await seal(database, sealing(b"a secret that is not of this installation"))
    verified = await check(database)
    assert verified.foreign == 1
    with pytest.raises(Broken, match="block 2 is missing"):
        await check(database, seen=chain.head)


async def test_a_row_that_commits_late_is_not_passed_over(database: Database) -> None:
    late = await asyncpg.connect(database.url)
    transaction = late.transaction()
    await transaction.start()
    await late.execute(INSERT, encode_audit([row(datetime.now(UTC), HIS, "update", 200, "Patient", "late")]))
    await record(database, 2)
    assert await seal(database) is None, "nothing is settled while an older transaction is open"
    await transaction.commit()
    await late.close()
    await record(database, 2)
    while await seal(database) is not None:
        pass
    assert (await check(database)).rows == 5


async def test_many_sealers_make_one_chain(database: Database) -> None:
    async def write() -> None:
        for n in range(20):
            await record(database, 1 + n % 3)

    async def keep_sealing() -> None:
        for _ in range(40):
            await seal(database)

    await asyncio.gather(*(write() for _ in range(3)), *(keep_sealing() for _ in range(4)))
    await seal(database)
    assert (await check(database)).rows == 3 * sum(1 + n % 3 for n in range(20))


async def test_a_restore_that_counts_transactions_anew_passes_nothing_over(database: Database) -> None:
    await record(database, 4)
    await seal(database)
    await record(database, 4)
    await run(database, "UPDATE fhir.audit SET tx = tx + 1000000000000")  # as another cluster would have counted
    await run(database, "UPDATE fhir.audit_block SET end_tx = end_tx + 1000000000000")
    await record(database, 2)
    block = await seal(database)
    assert len(block.events) == 6
    assert block.reached.since is not None
    await record(database, 1)
    assert len((await seal(database)).events) == 1


async def test_what_is_over_is_pruned_and_the_chain_still_holds(database: Database) -> None:
    await record(database, 3)
    await record(database, 1, "Consent")
    await seal(database)
    in_a_year = datetime.now(UTC) + timedelta(days=366)
    async with database.connection() as connection:
        with pytest.raises(ValueError, match="at least"):
            await audit_retention.prune(connection, in_a_year, 5, 36, BY)
        with pytest.raises(ValueError, match="at least"):
            await audit_retention.prune(connection, in_a_year, 6, 35, BY)
        assert await audit_retention.prune(connection, datetime.now(UTC), 6, 36, BY) == 0
        assert await audit_retention.prune(connection, in_a_year, 6, 36, BY) == 3
        assert await audit_retention.prune(connection, in_a_year, 6, 36, BY) == 0
    verified = await check(database)
    assert (verified.rows, verified.pruned) == (1, 3)
    assert [e["interaction"] for e in await waiting(database)] == ["audit-prune"]
    async with database.connection() as connection:
        assert await audit_retention.prune(connection, in_a_year + timedelta(days=800), 6, 36, BY) == 1
    assert (await check(database)).pruned == 4


async def waiting(database: Database) -> Any:
    async with database.connection() as connection:
        return await connection.fetch("SELECT interaction FROM fhir.audit WHERE interaction = 'audit-prune'")


async def test_a_forged_record_of_pruning_is_seen(database: Database, chain: Verified) -> None:
    await run(database, "DELETE FROM fhir.audit WHERE event IN (SELECT unnest(events) FROM fhir.audit_block)")
    await run(
        database,
        "INSERT INTO fhir.audit_prune SELECT 1, now(), 3, 3, 'sha256', key, hash FROM fhir.audit_block WHERE number = 3",
    )
    with pytest.raises(Broken, match="pruned"):
        await check(database)
