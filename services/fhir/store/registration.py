"""Who a strong identifier belongs to, who cares for a patient, and how often an institution was wrong (docs/adr/0011).

What is found here is for the platform to compare, and is answered to nobody as it is.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from services.fhir.access.access import SYSTEM
from services.fhir.outcomes import FhirError, Issue
from services.fhir.store import read
from services.fhir.store.rows import Stored
from services.fhir.store.shards import shard_of
from services.fhir.store.vault import Vault

HOUR = timedelta(hours=1)


async def find(connection: Any, key: str, vault: Vault | None) -> Stored | None:
    """The Patient who has the identifier."""
    patient = await holder(connection, (key,), vault)
    return await by_id(connection, patient, vault) if patient else None


async def holder(connection: Any, keys: Sequence[str], vault: Vault | None) -> str | None:
    """The id of the patient who has one of the identifiers."""
    sql = "SELECT patient FROM fhir.identity WHERE (key, shard) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) LIMIT 1"
    kept = [*keys, *(each for key in keys for each in (vault.blinded_identity(key) if vault else ()))]
    found: str | None = await connection.fetchval(sql, kept, [shard_of(each) for each in kept])
    return found


async def by_id(connection: Any, patient: str, vault: Vault | None) -> Stored | None:
    found = await read.current(connection, "Patient", patient, SYSTEM)
    if found is None or found.is_deleted:
        return None
    return vault.opened(found) if vault else found


async def holders(connection: Any, patient: str, at: datetime) -> list[str]:
    """The institutions that care for the patient now, longest first."""
    sql = """SELECT organization FROM fhir.access_grant WHERE patient = $1 AND shard = $2 AND founds AND begins <= $3 AND ends > $3
    GROUP BY organization ORDER BY min(begins), organization"""
    return [record["organization"] for record in await connection.fetch(sql, patient, shard_of(patient), at)]


async def emergency(
    connection: Any, patient: str, source: str, organization: str, writer: str, at: datetime
) -> list[str] | None:
    """Who is to be told that `source` opens the record in an emergency; None where it did so before, or will not.

    It will where its writer cares for the patient, or has just brought the patient here.
    """
    sql = """SELECT EXISTS (SELECT FROM fhir.access_grant WHERE patient = $1 AND shard = $2 AND source = $3 AND organization = $4
      AND basis = 'emergency') AS is_known,
      EXISTS (SELECT FROM fhir.patient WHERE id = $1 AND NOT deleted) AS is_here"""
    known = await connection.fetchrow(sql, patient, shard_of(patient), source, organization)
    found = await holders(connection, patient, at)
    if known["is_known"] or (known["is_here"] and writer not in found):
        return None
    return found


async def check_attempts(connection: Any, organization: str, at: datetime, most: int) -> None:
    """429 after too many wrong statements within an hour."""
    sql = "SELECT count(*) FROM fhir.registration_attempt WHERE organization = $1 AND at > $2"
    if await connection.fetchval(sql, organization, at - HOUR) >= most:
        issue = Issue(
            "error", "throttled", "Too many wrong statements; they are under review", "错误尝试过多，请稍后再试"
        )
        raise FhirError(429, (issue,), {"Retry-After": "3600"})


async def note_attempt(connection: Any, organization: str, at: datetime, request: str) -> None:
    sql = "INSERT INTO fhir.registration_attempt (organization, shard, at, request) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
    await connection.execute(sql, organization, shard_of(organization), at, request)
