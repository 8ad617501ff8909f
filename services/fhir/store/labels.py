"""The profiles, tags and security labels in use: http://hl7.org/fhir/R4/resource-operation-meta.html

An index can find a label and cannot list them, so this reads whole tables; it is given a limited time.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from services.fhir.access.access import Access
from services.fhir.outcomes import unprocessable
from services.fhir.scopes import SEARCH
from services.fhir.store.access import live
from services.fhir.store.statement import Rows, Sql, table
from services.fhir.store.store import Stores

MILLISECONDS: Final = 10_000

_KEY: Final = re.compile(r"_(profile|security|tag)=(.*)", re.DOTALL)
_PAIR: Final = re.compile(r"((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)+)", re.DOTALL)  # search/keys.py escapes both


class Labels(msgspec.Struct, frozen=True):
    """Sorted; a label is (system, code), the system empty where it has none."""

    profiles: tuple[str, ...]
    security: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]


async def labels_in_use(stores: Stores, types: Sequence[str]) -> Labels:
    """Raise 422 when the tables are too large to be read for this."""
    keys: set[str] = set()
    try:
        async with stores.database.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {MILLISECONDS}")
            for resource_type in types:
                text, values = _statement(resource_type, stores.access)
                keys.update(record["k"] for record in await connection.fetch(text, *values))
    except asyncpg.QueryCanceledError as error:
        raise unprocessable(
            "Too many resources to list their labels; ask for one resource",
            code="too-costly",
            text="资源过多，无法汇总标签",
        ) from error
    return _labels(keys)


def _statement(resource_type: str, access: Access) -> tuple[str, list[Any]]:
    sql = Sql(access, SEARCH)
    text = f"""SELECT DISTINCT k FROM {table(resource_type)} t, unnest(t.tokens) k
    WHERE {live(Rows("t", resource_type), sql)} AND (starts_with(k, '_profile=') OR starts_with(k, '_security=') OR starts_with(k, '_tag='))"""
    return text, sql.values


def _labels(keys: Iterable[str]) -> Labels:
    found: dict[str, set[Any]] = {"profile": set(), "security": set(), "tag": set()}
    for match in filter(None, map(_KEY.fullmatch, keys)):
        if match[1] == "profile":
            found["profile"].add(match[2])
        elif pair := _PAIR.fullmatch(match[2]):  # of the forms of a token the one that says all
            found[match[1]].add((_plain(pair[1]), _plain(pair[2])))
    return Labels(tuple(sorted(found["profile"])), tuple(sorted(found["security"])), tuple(sorted(found["tag"])))


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
