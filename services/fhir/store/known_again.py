"""What is there already of business identifiers and readings, for many at once (docs/adr/0037)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.fhir.access.access import Access
from services.fhir.search.keys import keys_of
from services.fhir.search.query import Match, SearchQuery, TokenValue
from services.fhir.store.access import live
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.shards import shard_of
from services.fhir.store.statement import RETURNED, Rows, Sql, table
from services.fhir.store.vault import Vault


async def by_identifier(
    connection: Any, resource_type: str, values: Sequence[TokenValue], access: Access, vault: Vault | None
) -> list[Stored]:
    """What the caller's own institution made that has any of the identifiers; what others made under the same is another thing."""
    match = Match("identifier", "token", None, tuple(values))
    query = SearchQuery(resource_type, (match,))
    (asked,) = (vault.blinded_query(query) if vault else query).conditions
    keys = [key for value in getattr(asked, "values", ()) for key in keys_of("identifier", value)]
    sql = Sql(access)
    there = f"t.tokens && {sql.bind(keys, 'text[]')} AND t.author = {sql.bind(access.organization, 'text')}"
    text = f"SELECT {RETURNED} FROM {table(resource_type)} t WHERE {there} AND NOT t.deleted"
    return _opened(await connection.fetch(text, *sql.values), resource_type, vault)


async def at_instants(
    connection: Any, places: Sequence[tuple[str, datetime]], access: Access, vault: Vault | None
) -> list[Stored]:
    """The Observations within reach of a patient at an instant, for many (patient, instant)."""
    sql = Sql(access)
    patients, instants = sql.bind([p for p, _ in places], "text[]"), sql.bind([at for _, at in places], "timestamptz[]")
    shards = sql.bind([shard_of(p) for p, _ in places], "bigint[]")
    text = (
        f"SELECT {RETURNED} FROM unnest({patients}, {shards}, {instants}) AS r (patient, shard, at) "
        f"JOIN {table('Observation')} t ON t.patient = r.patient AND t.shard = r.shard AND t.date_lo = r.at "
        f"WHERE {live(Rows('t', 'Observation'), sql)}"
    )
    return _opened(await connection.fetch(text, *sql.values), "Observation", vault)


def _opened(records: Sequence[Any], resource_type: str, vault: Vault | None) -> list[Stored]:
    found = [from_record(record, resource_type) for record in records]
    return [vault.opened(each) for each in found] if vault else found
