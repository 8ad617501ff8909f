"""What an export holds: one statement lists it in one snapshot, later steps read just those versions (docs/adr/0015).

Versions never change, so a job that takes hours, or starts again after a crash, still writes out exactly that one instant.
"""

from datetime import datetime
from typing import Any, Final

import jiter

from services.fhir.access.access import Access
from services.fhir.bulk.job import Export, Job
from services.fhir.compartment import patient_keys
from services.fhir.scopes import READ, SEARCH
from services.fhir.search.query import SearchQuery
from services.fhir.store.access import visible
from services.fhir.store.compartment import names_a_patient
from services.fhir.store.query import Rows, Sql, where
from services.fhir.store.shards import shard_of
from services.fhir.store.statement import Subject

PART: Final = 5000  # versions listed in one row
FEW: Final = 200  # members up to which the index is asked; beyond, the table is read through

Filters = dict[str, tuple[SearchQuery, ...]]


async def list_versions(connection: Any, job: Job, export: Export, filters: Filters, access: Access) -> None:
    """Write the parts of the job, all in one statement and so of one snapshot."""
    sql = Sql(access, READ + SEARCH)
    branches = [_branch(n, t, "output", export, filters, sql) for n, t in enumerate(export.types)]
    if export.since is not None:
        branches += [_branch(n, t, "deleted", export, {}, sql) for n, t in enumerate(export.types, len(export.types))]
    if not branches:
        return
    text = f"""INSERT INTO fhir.job_part (job, shard, number, kind, type, ids, versions, content, first, total, done)
    SELECT {sql.bind(job.id, "text")}, {sql.bind(shard_of(job.id), "bigint")}, row_number() OVER (ORDER BY place, n),
      kind, type, ids, versions, NULL, 0, cardinality(ids), 0
    FROM ({" UNION ALL ".join(branches)}) e"""
    await connection.execute(text, *sql.values)


async def bodies(
    connection: Any, resource_type: str, ids: list[str], versions: list[int], access: Access
) -> list[tuple[str, str]]:
    """The ids and texts of those versions, in this order, whether they are current or past, as far as the caller may see them still."""
    sql = Sql(access, READ + SEARCH)
    wanted = f"unnest({sql.bind(ids, 'text[]')}, {sql.bind(versions, 'bigint[]')})"
    text = f"""WITH w AS (SELECT * FROM {wanted} WITH ORDINALITY AS w (id, version, n))
    SELECT n, w.id, body FROM w JOIN fhir."{resource_type.lower()}" t USING (id, version) WHERE {visible(Subject("t", resource_type), sql)}
    UNION ALL SELECT n, h.id, h.body FROM w
    JOIN fhir.history h ON h.type = {sql.bind(resource_type, "text")} AND h.id = w.id AND h.version = w.version
    WHERE {visible(Subject("h", resource_type, is_past=True), sql)} ORDER BY n"""
    found = [(r["id"], r["body"]) for r in await connection.fetch(text, *sql.values) if r["body"]]
    return [each for each in found if is_granted(each[1].encode(), access)]


def is_granted(body: bytes, access: Access) -> bool:
    """Whether the scopes grant a version by what it says itself: docs/adr/0049"""
    return access.limits is None or access.limits.admits(READ + SEARCH, jiter.from_json(body, float_mode="decimal"))


async def still_seen(connection: Any, resource_type: str, ids: list[str], access: Access) -> frozenset[str]:
    """Which of them the caller may see by now."""
    sql = Sql(access, READ + SEARCH)
    seen = visible(Subject("t", resource_type), sql)
    text = f'SELECT t.id FROM fhir."{resource_type.lower()}" t WHERE t.id = ANY({sql.bind(ids, "text[]")}) AND {seen}'
    return frozenset(record["id"] for record in await connection.fetch(text, *sql.values))


def _branch(place: int, resource_type: str, kind: str, export: Export, filters: Filters, sql: Sql) -> str:
    conditions = ["t.deleted" if kind == "deleted" else "NOT t.deleted", visible(Subject("t", resource_type), sql)]
    if (about := _about(resource_type, export, sql)) is not None:
        conditions.append(about)
    if export.since is not None:
        conditions.append(_since(resource_type, export, export.since, sql))
    if wanted := filters.get(resource_type):
        conditions.append("(" + " OR ".join(_filter(query, sql) for query in wanted) + ")")
    return f"""(SELECT {place} AS place, n, '{kind}' AS kind, '{resource_type}' AS type,
      array_agg(id ORDER BY id) AS ids, array_agg(version ORDER BY id) AS versions
    FROM (SELECT t.id, t.version, (row_number() OVER (ORDER BY t.id) - 1) / {PART} AS n
      FROM fhir."{resource_type.lower()}" t WHERE {" AND ".join(conditions)}) v GROUP BY n)"""


def _about(resource_type: str, export: Export, sql: Sql) -> str | None:
    """Whom a resource tells of: any patient, or a member. A deletion still knows the one patient that it was bound to."""
    if export.level == "system":
        return None
    if export.members is None:
        return names_a_patient(resource_type, sql)
    return _names_one_of(resource_type, export.members, sql)


def _names_one_of(resource_type: str, patients: tuple[str, ...], sql: Sql) -> str:
    ids = sql.bind(list(patients), "text[]")
    if resource_type == "Patient":
        return f"t.id = ANY({ids})"
    keys = sql.bind(patient_keys(resource_type, patients), "text[]")
    if len(patients) <= FEW:
        return f"(t.patient = ANY({ids}) OR t.tokens && {keys})"
    named = (
        f"""SELECT o.id FROM fhir."{resource_type.lower()}" o, unnest(o.tokens) k JOIN unnest({keys}) m (k) USING (k)"""
    )
    return f"(t.patient IN (SELECT unnest({ids})) OR t.id IN ({named}))"


def _since(resource_type: str, export: Export, since: datetime, sql: Sql) -> str:
    """As history has it: also what was dated before and written since; and all of who was not a member then."""
    at = sql.bind(since, "timestamptz")
    changed = f"""(t.updated >= {at} OR (t.updated >= {at} - interval '1 minute' AND EXISTS (SELECT FROM fhir.change c
      WHERE (c.type, c.at, c.id, c.version) = ('{resource_type}', t.updated, t.id, t.version) AND c.written >= {at})))"""
    if not export.newcomers:
        return changed
    return f"({changed} OR {_names_one_of(resource_type, export.newcomers, sql)})"


def _filter(query: SearchQuery, sql: Sql) -> str:
    return " AND ".join(where(query.type, query.conditions, Rows("t", query.type), sql))
