"""Who saw what of one patient, newest first, from the audit: the right to know of PIPL, Articles 44 and 45."""

from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.balp import Access

_OF: Final = """SELECT row_to_json(a)::text FROM fhir.audit a
WHERE (a.patient = $1 OR a.patients @> ARRAY[$1]::text[] COLLATE "C") AND a.status < 400
AND ($2::timestamptz IS NULL OR a.at >= $2) AND ($3::timestamptz IS NULL OR a.at < $3)
AND ($4::timestamptz IS NULL OR (a.at, a.event) < ($4, $5)) ORDER BY a.at DESC, a.event DESC LIMIT $6"""


class Asked(msgspec.Struct, frozen=True):
    """`after` is the place of the last one that was shown: its instant and id."""

    patient: str
    count: int
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[datetime, str] | None = None


async def disclosures(connection: Any, asked: Asked) -> list[Access]:
    """One more than a page holds, when there are more. What one answer told of other patients is left out."""
    at, event = asked.after or (None, None)
    found = await connection.fetch(_OF, asked.patient, asked.start, asked.end, at, event, asked.count + 1)
    return [_of(asked.patient, msgspec.json.decode(record[0], type=Access)) for record in found]


def _of(patient: str, access: Access) -> Access:
    if access.patients is None:
        return access
    return msgspec.structs.replace(access, patient=patient, patients=None, query=None)
