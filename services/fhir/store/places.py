"""Which institutions one may have the figures of, with their departments, by whom they are supervised: http://hl7.org/fhir/R4/organization.html"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

_DIVISION: Final = "https://yiyang.example/fhir/StructureDefinition/division-code"
_ROOTS: Final = f"""
SELECT o.id, o.author, coalesce(o.body::jsonb ->> 'name', o.id) AS name, coalesce((
    SELECT e ->> 'valueCode' FROM jsonb_array_elements(o.body::jsonb -> 'address') a, jsonb_array_elements(a -> 'extension') e
    WHERE e ->> 'url' = '{_DIVISION}' LIMIT 1), '') AS division,
  EXISTS (SELECT FROM unnest(o.tokens) k WHERE starts_with(k, 'partof=')) AS is_part
FROM fhir.organization o WHERE NOT o.deleted"""
# Anybody may make an entry that says it is a part of another's: a department is its institution's own, or was made as its part by who made both.
_IS_ITS_PART: Final = """(o.author = p.root OR (o.author IS NOT DISTINCT FROM p.maker AND coalesce((
  CASE WHEN o.version = 1 THEN o.body ELSE (SELECT h.body FROM fhir.history h
    WHERE h.type = 'Organization' AND h.id = o.id AND h.shard = o.shard AND h.version = 1) END
  )::jsonb #>> '{partOf,reference}', '') = 'Organization/' || p.id))"""
_FOUND: Final = f"""
WITH RECURSIVE chosen AS (
  SELECT r.id, r.name, r.author, left(r.division, 6) AS division FROM ({_ROOTS}) r
  WHERE r.id = ANY($1::text[]) OR (NOT r.is_part AND EXISTS (
    SELECT FROM unnest($2::text[]) p WHERE p <> '' AND starts_with(r.division, p) AND r.id <> $3::text))
), parts (root, maker, id) AS (
  SELECT id, author, id FROM chosen
  UNION SELECT p.root, p.maker, o.id FROM parts p JOIN fhir.organization o
    ON o.tokens && ARRAY['partof=Organization/' || p.id] AND NOT o.deleted AND {_IS_ITS_PART}
)
SELECT c.id, c.name, c.division, array_agg(p.id ORDER BY p.id) AS parts
FROM chosen c JOIN parts p ON p.root = c.id GROUP BY 1, 2, 3 ORDER BY 3, 1"""
# Who may read what the supervised may, and who is told figures alone: the institution has said either itself.
_SUPERVISED: Final = """
SELECT supervised FROM fhir.supervision WHERE lead = $1::text AND begins <= $2 AND ends > $2 AND supervised <> lead
UNION SELECT t.author FROM fhir.organizationaffiliation t
WHERE NOT t.deleted AND t.tokens && ARRAY[$3::text] AND t.tokens && ARRAY['primary-organization=Organization/' || $1::text]
  AND t.tokens && ARRAY['participating-organization=Organization/' || t.author] AND NOT t.tokens && ARRAY['active=false']
  AND coalesce(t.date_lo, $2) <= $2 AND coalesce(t.date_hi, 'infinity') > $2 AND t.author <> $1::text"""
_OVERSIGHT: Final = "role=https://yiyang.example/fhir/CodeSystem/affiliation-type|oversight"


class Place(msgspec.Struct, frozen=True):
    """An institution; `division` are the six digits of its county, empty where it tells none; `parts` is itself and all that is part of it."""

    id: str
    name: str
    division: str
    parts: tuple[str, ...]


async def supervised_by(connection: Any, lead: str, at: datetime) -> tuple[str, ...]:
    """The institutions that have said that this organization supervises them."""
    return tuple(record["supervised"] for record in await connection.fetch(_SUPERVISED, lead, at, _OVERSIGHT))


async def places(
    connection: Any, ids: Sequence[str], divisions: Sequence[str] = (), besides: str = ""
) -> tuple[Place, ...]:
    """Those institutions, and all of these divisions besides one, in the order of their counties."""
    records = await connection.fetch(_FOUND, list(ids), list(divisions), besides)
    return tuple(Place(r["id"], r["name"], r["division"], tuple(r["parts"])) for r in records)
