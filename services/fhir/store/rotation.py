"""Brings what is encrypted at rest under the first key, and encrypts what came before there was one (docs/adr/0021).

Row by row, in small transactions, beside running services: a row that one of them writes meanwhile is under the first key already. Who was
interrupted runs it again; rows that are done are passed over.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from services.fhir.access.identity import identities_of
from services.fhir.store import v2_messages
from services.fhir.store.shards import shard_of
from services.fhir.store.tables import stored_types
from services.fhir.store.vault import MARK, Vault

BATCH: Final = 200
_INDEX: Final = ("tokens", "strings", "words")
_ROWS: Final = f"""SELECT id, shard, version, body, {", ".join(_INDEX)}, contained::text AS contained FROM fhir."{{table}}"
WHERE (id, shard) > ($1, $2) AND (strpos(body, $3) > 0 OR EXISTS (SELECT FROM unnest($4::text[]) s WHERE strpos(body, s) > 0))
ORDER BY id, shard LIMIT {BATCH}"""
_PAST: Final = f"""SELECT type, id, version, shard, body FROM fhir.history WHERE (type, id, version, shard) > ($1, $2, $3, $4)
AND (strpos(body, $5) > 0 OR EXISTS (SELECT FROM unnest($6::text[]) s WHERE strpos(body, s) > 0))
ORDER BY type, id, version, shard LIMIT {BATCH}"""

_ANSWERS: Final = f"""SELECT key, shard, body FROM fhir.idempotency WHERE (key, shard) > ($1, $2)
AND (strpos(body, $3) > 0 OR EXISTS (SELECT FROM unnest($4::text[]) s WHERE strpos(body, s) > 0))
ORDER BY key, shard LIMIT {BATCH}"""


async def rotate(connection: Any, vault: Vault) -> AsyncIterator[tuple[str, int]]:
    """Type and number of the rows that were changed, batch by batch."""
    for resource_type in stored_types():
        async for count in _current(connection, resource_type, vault):
            yield resource_type, count
    async for count in _history(connection, vault):
        yield "history", count
    async for count in _answers(connection, vault):
        yield "idempotency", count
    async for count in v2_messages.resealed(connection, vault, BATCH):
        yield "v2_message", count


async def _current(connection: Any, resource_type: str, vault: Vault) -> AsyncIterator[int]:
    place: tuple[str, int] = ("", -1)
    sql = _ROWS.format(table=resource_type.lower())
    while found := await connection.fetch(sql, *place, MARK, list(vault.systems)):
        async with connection.transaction():
            old = [row for row in found if not vault.is_current(row["body"])]
            yield sum([await _renew(connection, resource_type, row, vault) for row in old])
        place = found[-1]["id"], found[-1]["shard"]


async def _renew(connection: Any, resource_type: str, row: Any, vault: Vault) -> int:
    """0 where somebody wrote the row meanwhile."""
    bound_to = f"{resource_type}/{row['id']}"
    plain = vault.opened_text(row["body"], bound_to)
    values = vault.values(plain)
    body = vault.sealed_text(plain, values, bound_to) if values else plain
    index = {name: _renamed(row[name], values, vault, is_text=name != "tokens") for name in _INDEX}
    contained = vault.renamed(row["contained"], values) if row["contained"] else None
    done = await connection.execute(
        f"""UPDATE fhir."{resource_type.lower()}" SET body = $4, tokens = $5, strings = $6, words = $7, contained = $8::text::jsonb
        WHERE id = $1 AND shard = $2 AND version = $3""",
        row["id"],
        row["shard"],
        row["version"],
        body,
        *index.values(),
        contained,
    )
    if done != "UPDATE 1":
        return 0
    if resource_type == "Patient":
        await _rename_identities(connection, row["id"], plain, vault)
    return 1


def _renamed(elements: Sequence[str], values: Sequence[str], vault: Vault, *, is_text: bool) -> list[str]:
    """Tokens under the first key; texts by which one could search lose the value."""
    renamed = [vault.renamed(each, values) for each in elements]
    folded = [value.casefold() for value in values]
    return [each for each in renamed if not any(value in each.casefold() for value in folded)] if is_text else renamed


async def _rename_identities(connection: Any, patient: str, plain: str, vault: Vault) -> None:
    keys = [vault.blinded_identity(identity)[0] for identity in identities_of(msgspec.json.decode(plain))]
    await connection.execute("DELETE FROM fhir.identity WHERE patient = $1 AND key <> ALL($2::text[])", patient, keys)
    await connection.execute(
        """INSERT INTO fhir.identity (key, shard, patient) SELECT k, s, $3 FROM unnest($1::text[], $2::bigint[]) u (k, s)
        ON CONFLICT (key, shard) DO NOTHING""",
        keys,
        [shard_of(key) for key in keys],
        patient,
    )


async def _history(connection: Any, vault: Vault) -> AsyncIterator[int]:
    place: tuple[str, str, int, int] = ("", "", -1, -1)
    while found := await connection.fetch(_PAST, *place, MARK, list(vault.systems)):
        old = [row for row in found if not vault.is_current(row["body"])]
        await connection.executemany(
            "UPDATE fhir.history SET body = $5 WHERE type = $1 AND id = $2 AND version = $3 AND shard = $4",
            [(r["type"], r["id"], r["version"], r["shard"], _resealed(r, vault)) for r in old],
        )
        yield len(old)
        last = found[-1]
        place = last["type"], last["id"], last["version"], last["shard"]


async def _answers(connection: Any, vault: Vault) -> AsyncIterator[int]:
    """What is remembered under Idempotency-Keys."""
    place: tuple[str, int] = ("", -1)
    while found := await connection.fetch(_ANSWERS, *place, MARK, list(vault.systems)):
        old = [row for row in found if not vault.is_current(row["body"])]
        await connection.executemany(
            "UPDATE fhir.idempotency SET body = $3 WHERE key = $1 AND shard = $2",
            [(r["key"], r["shard"], _sealed_anew(r["body"], r["key"], vault)) for r in old],
        )
        yield len(old)
        place = found[-1]["key"], found[-1]["shard"]


def _resealed(row: Any, vault: Vault) -> str:
    return _sealed_anew(row["body"], f"{row['type']}/{row['id']}", vault)


def _sealed_anew(body: str, bound_to: str, vault: Vault) -> str:
    plain = vault.opened_text(body, bound_to)
    return vault.sealed_text(plain, values, bound_to) if (values := vault.values(plain)) else plain
