"""The resources that the criteria of a conditional interaction find: http://hl7.org/fhir/R4/http.html#ccreate"""

from datetime import datetime

import msgspec

from services.fhir.search.parse import parse_criteria
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store


async def matches(
    store: Store, service: Service, resource_type: str, criteria: str, now: datetime, limit: int = 2
) -> tuple[Stored, ...]:
    """At most `limit` of them, so that two tell "several"; 400 for criteria that are empty, unknown or not understood.

    `criteria` is the text behind the `?` of a URL, still encoded, as If-None-Exist and conditional references have it.
    """
    query = parse_criteria(resource_type, criteria, now=now, base=service.base, zone=service.zone)
    return (await store.search(msgspec.structs.replace(query, count=limit))).matches
