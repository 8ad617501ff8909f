"""The commit: each statement writes versions, their predecessors, their outbox rows and the audit rows at once (docs/adr/0002).

A bundle of many types costs one round trip per type and statement, an operation's few go together with the look at who may be named
(store/versions.py); a single write is one autocommitted statement, and so one
round trip in all (store/at_once.py). Only what that refuses, and what writes more than one statement can say, takes a transaction.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import asyncpg

from services.fhir.access.access import Access
from services.fhir.store import grants, holds, rests, standing, subscribers, timers
from services.fhir.store.at_once import brings_more, is_plain, write_at_once
from services.fhir.store.rows import AuditRow, Claim, Write
from services.fhir.store.shards import shard_of
from services.fhir.store.statement import Sql
from services.fhir.store.terms import Terms
from services.fhir.store.versions import (
    AUDIT_INSERT,
    arguments,
    encode_audit,
    insert_sql,
    is_insert,
    replace_sql,
    several_sql,
)

CLAIM: Final = """
INSERT INTO fhir.unique_claim AS claim (key, shard, turn, made)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])
ON CONFLICT (key, shard) DO UPDATE SET turn = excluded.turn, made = excluded.made WHERE claim.turn = excluded.turn - 1"""
_MOVED: Final = "DELETE FROM fhir.{table} WHERE id = $1 AND shard = $2 AND version = $3"
_KEEP_MOVED: Final = """
INSERT INTO fhir.history (type, id, version, shard, updated, method, body, patient, author, patients, labels, replaced)
SELECT $4, id, version, shard, updated, method, body, patient, author, patients, labels, $5 FROM fhir.{table} WHERE id = $1 AND shard = $2 AND version = $3"""


NOTHING: Final = Terms()
MOST_TOGETHER: Final = 5
"""Groups of versions in one statement; a bundle of more kinds would hardly meet it again, and each is planned."""


class VersionConflict(Exception):  # noqa: N818 - the state it names
    """Another commit came first; what was read must be read again. Nothing was written."""


CONFLICTS = (
    asyncpg.UniqueViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.CheckViolationError,  # prepared too long ago for `_since` to find it: store/history.py
)


async def commit(
    connection: Any,
    writes: Sequence[Write],
    audit: Sequence[AuditRow],
    claims: Sequence[Claim],
    access: Access,
    terms: Terms = NOTHING,
) -> None:
    """Write all or nothing; `VersionConflict` when a version or a claim is no longer the one that was seen."""
    statements = _statements(writes)
    try:
        if not claims and not terms and _is_one(statements) and all(map(is_plain, writes)):
            if await _is_written_at_once(connection, writes, audit, access):
                return
            if not any(map(brings_more, writes)):
                raise VersionConflict
        async with connection.transaction():
            await write_inside(connection, writes, audit, claims, access, terms)
    except CONFLICTS as error:
        raise VersionConflict from error


async def _is_written_at_once(
    connection: Any, writes: Sequence[Write], audit: Sequence[AuditRow], access: Access
) -> bool:
    try:
        return len(await write_at_once(connection, writes, audit, access)) == len(writes)
    except CONFLICTS:
        return False


async def write_inside(
    connection: Any,
    writes: Sequence[Write],
    audit: Sequence[AuditRow],
    claims: Sequence[Claim],
    access: Access,
    terms: Terms = NOTHING,
) -> None:
    """The same inside a transaction that the caller holds open."""
    try:
        await _claim(connection, [*claims, *(Claim(f"{w.type}/{w.id}", 0) for w in writes if _chosen(w))])
        await _agreed(connection, terms, writes, access)
        await _move_away(connection, [w for w in writes if w.moved_from is not None])
        statements = _statements(writes)
        # Who came too late for a version hears that, and not that the commit before took the patient out of reach.
        if _may_go_together(statements):
            stands = await _run_together(connection, statements, audit, access)
        else:
            for statement in statements:
                await _run(connection, statement, audit if statement is statements[-1] else ())
            stands = await standing.look(connection, writes, access)
        grants.check_references(writes, stands, access)
        await grants.write_access(connection, writes, stands, access)
        await _set_timers(connection, terms)
        await subscribers.write(connection, writes)
        if audit and not statements:
            await connection.execute(AUDIT_INSERT.format(rows="$1"), encode_audit(audit))
    except CONFLICTS as error:
        raise VersionConflict from error


async def _agreed(connection: Any, terms: Terms, writes: Sequence[Write], access: Access) -> None:
    """Who came too late for the versions hears that first; who may not name the patient hears nothing of what is held for her."""
    try:
        await _agree(connection, terms, writes, access)
    except holds.NothingFreeError as error:
        rests_on_versions = terms.rests_on or any(write.version > 1 for write in writes)
        if rests_on_versions and not await rests.hold_still(connection, terms.rests_on, writes):
            raise VersionConflict from error
        grants.check_references(writes, await standing.look(connection, writes, access), access)
        raise


async def _agree(connection: Any, terms: Terms, writes: Sequence[Write], access: Access) -> None:
    """Places, then rows: every commit locks in this order."""
    if terms.frees:
        await holds.free(connection, terms.frees)
    if terms.takes and not await holds.take(connection, terms.takes, access.at):
        raise VersionConflict
    if terms.rests_on and not await rests.hold_still(connection, terms.rests_on, writes):
        raise VersionConflict


async def _set_timers(connection: Any, terms: Terms) -> None:
    """After the rows: who changes a resource and who does the act of its timer lock the resource first."""
    if terms.fired is not None:
        await timers.use(connection, terms.fired)
    if terms.timers:
        await timers.replace(connection, terms.timers)


def _is_one(statements: Sequence[tuple[str, bool, list[Write]]]) -> bool:
    """An insert ends in an error. A replacement passes over the rows that are at another version: of several it would leave a part."""
    if len(statements) != 1:
        return False
    _, insert, rows = statements[0]
    return insert or len(rows) == 1


def _chosen(write: Write) -> bool:
    """A first version under an id that a client chose, which another shard could have too."""
    return write.client_assigned and write.version == 1


def _statements(writes: Sequence[Write]) -> list[tuple[str, bool, list[Write]]]:
    """Group by type and kind, in one global order, so that two commits lock shared rows in the same order."""
    ordered = sorted(writes, key=lambda w: (w.type, is_insert(w), w.id))
    return [(t, insert, list(rows)) for (t, insert), rows in groupby(ordered, key=lambda w: (w.type, is_insert(w)))]


async def _run(connection: Any, statement: tuple[str, bool, list[Write]], audit: Sequence[AuditRow]) -> None:
    resource_type, insert, rows = statement
    sql = insert_sql(resource_type) if insert else replace_sql(resource_type)
    written = await connection.fetchval(sql, *arguments(resource_type, rows), encode_audit(audit))
    if len(written) != len(rows):
        raise VersionConflict


def _may_go_together(statements: Sequence[tuple[str, bool, list[Write]]]) -> bool:
    """Few kinds, as an operation writes them again and again; who may name a Patient is looked up when she is written."""
    return 1 <= len(statements) <= MOST_TOGETHER and all(
        resource_type != "Patient" for resource_type, _, _ in statements
    )


async def _run_together(
    connection: Any, statements: Sequence[tuple[str, bool, list[Write]]], audit: Sequence[AuditRow], access: Access
) -> standing.Standing:
    """All versions and the look at who may name the patients, in one round trip.

    The look has the snapshot in which the versions were still those that were seen: what they granted is what counts.
    """
    asked = standing.asked_of([write for _, _, rows in statements for write in rows])
    sql = Sql(access)
    for resource_type, _, rows in statements:
        sql.values += arguments(resource_type, rows)
    sql.values.append(encode_audit(audit))
    text = several_sql(tuple((resource_type, inserts) for resource_type, inserts, _ in statements))
    look = asked.sql(sql)
    records = await connection.fetch(f"{text} LEFT JOIN ({look}) s ON true" if look else text, *sql.values)
    if any(len(records[0][f"w{n}"]) != len(rows) for n, (_, _, rows) in enumerate(statements)):
        raise VersionConflict
    return asked.answer(records if look else (), access)


async def _claim(connection: Any, claims: Sequence[Claim]) -> None:
    """Take the next turn of each key, in one global order; another commit that took it meanwhile is waited for and wins."""
    if not claims:
        return
    ordered = sorted(claims, key=lambda claim: claim.key)
    keys = [claim.key for claim in ordered]
    turns, made = [c.seen + 1 for c in ordered], [c.made for c in ordered]
    taken = await connection.execute(CLAIM, keys, [shard_of(k) for k in keys], turns, made)
    if taken != f"INSERT 0 {len(keys)}":
        raise VersionConflict


async def _move_away(connection: Any, writes: Sequence[Write]) -> None:
    """A resource whose patient changed lies on another shard from now on: its row leaves, `insert` brings it again."""
    for w in writes:
        table = f'"{w.type.lower()}"'
        seen = (w.id, w.moved_from, w.version - 1)
        await connection.execute(_KEEP_MOVED.format(table=table), *seen, w.type, w.updated)
        if await connection.execute(_MOVED.format(table=table), *seen) != "DELETE 1":
            raise VersionConflict
