"""Resources by one key of their index: http://hl7.org/fhir/R4/references.html#canonical"""

from services.fhir.store.query import RETURNED
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.store import Stores


async def by_key(stores: Stores, resource_type: str, key: str) -> list[Stored]:
    """`key` as search/keys.py makes it; few resources share a canonical."""
    sql = f"""SELECT {RETURNED} FROM fhir."{resource_type.lower()}" t WHERE NOT t.deleted AND t.tokens && ARRAY[$1::text]
    ORDER BY t.id"""
    async with stores.database.connection() as connection:
        return [from_record(record, resource_type) for record in await connection.fetch(sql, key)]
