"""Resources by one key of their index: http://hl7.org/fhir/R4/references.html#canonical"""

from services.fhir.store.access import live
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.statement import RETURNED, Rows, Sql, table
from services.fhir.store.store import Stores


async def by_key(stores: Stores, resource_type: str, key: str) -> list[Stored]:
    """`key` as search/keys.py makes it; few resources share a canonical."""
    sql = Sql(stores.access)
    there = f"{live(Rows('t', resource_type), sql)} AND t.tokens && ARRAY[{sql.bind(key, 'text')}]"
    text = f"SELECT {RETURNED} FROM {table(resource_type)} t WHERE {there} ORDER BY t.id"
    async with stores.database.connection() as connection:
        return [from_record(record, resource_type) for record in await connection.fetch(text, *sql.values)]
