"""How the writer of a commit stands to the patients whom it names, and what its resources have granted so far (docs/adr/0011).

It is looked up in one statement, when the versions are written and before anything of the access changes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from services.fhir.access.access import Access
from services.fhir.access.grants import Opening
from services.fhir.store.access import founds, may_refer
from services.fhir.store.grant_rows import FOREVER, GRANT, NO_GRANT
from services.fhir.store.rows import Write
from services.fhir.store.shards import shard_of
from services.fhir.store.statement import Sql


class Standing(msgspec.Struct, frozen=True):
    """The patients who may be named, those for whom the writer can open a basis, and the grants by their source (`Type/id`)."""

    known: AbstractSet[str] = frozenset()
    founding: AbstractSet[str] = frozenset()
    granted: Mapping[str, Sequence[Opening]] = {}


class Asked(msgspec.Struct, frozen=True):
    """Of what is to be looked up: patients who are named, those of whom a basis is opened, and what may have granted something before."""

    named: AbstractSet[str]
    opened: AbstractSet[str]
    made: AbstractSet[str]
    new: AbstractSet[str]
    sources: Sequence[str]

    def sql(self, sql: Sql) -> str:
        """One statement; "" where nothing is to be looked up."""
        patients = () if sql.access.is_system else sorted(self.named | self.opened)
        parts = [_of_patients(patients, sql)] if patients else []
        if self.sources:
            there = f"source = ANY({sql.bind(self.sources, 'text[]')})"
            nothing = "NULL::boolean AS known, NULL::boolean AS founding"
            parts.append(f"SELECT {nothing}, {GRANT} FROM fhir.access_grant WHERE {there}")
        return " UNION ALL ".join(parts)

    def answer(self, records: Iterable[Any], access: Access) -> Standing:
        known, founding = {*self.made}, {*self.new}
        if access.is_system:
            known, founding = known | self.named, founding | self.opened
        granted: dict[str, list[Opening]] = defaultdict(list)
        for record in records:
            if record["source"] is not None:
                granted[record["source"]].append(_opening(record))
                continue
            known |= {record["patient"]} if record["known"] else set()
            founding |= {record["patient"]} if record["founding"] else set()
        return Standing(known, founding, granted)


def asked_of(writes: Sequence[Write]) -> Asked:
    """What the platform writes of its own asks nobody; a first version has granted nothing before."""
    own = [w for w in writes if not w.by_platform]
    made = {w.id for w in writes if w.type == "Patient" and w.body is not None}
    new = {w.id for w in writes if w.type == "Patient" and w.version == 1}
    named = {patient for w in own for _, patient in w.refers} - made
    opened = {o.patient for w in own if w.opens for o in w.opens.openings} - new
    return Asked(named, opened, made, new, [source_of(w) for w in writes if w.opens is not None and w.version > 1])


async def look(connection: Any, writes: Sequence[Write], access: Access) -> Standing:
    asked, sql = asked_of(writes), Sql(access)
    text = asked.sql(sql)
    return asked.answer(await connection.fetch(text, *sql.values) if text else (), access)


def source_of(write: Write) -> str:
    return f"{write.type}/{write.id}"


def _of_patients(patients: Sequence[str], sql: Sql) -> str:
    ids, shards = sql.bind(patients, "text[]"), sql.bind([shard_of(p) for p in patients], "bigint[]")
    known, founding = may_refer("p.id", "p.shard", sql), founds("p.id", "p.shard", sql)
    return (
        f"SELECT {known} AS known, {founding} AS founding, p.id AS patient, {NO_GRANT} "
        f"FROM unnest({ids}, {shards}) AS p (id, shard)"
    )


def _opening(record: Any) -> Opening:
    return Opening(
        patient=record["patient"],
        organization=record["organization"],
        basis=record["basis"],
        begins=record["begins"],
        ends=None if record["ends"] >= FOREVER else record["ends"],
        types=_tuple(record["types"]),
        purposes=_tuple(record["purposes"]),
        resources=_tuple(record["resources"]),
        may_write=record["may_write"],
        founds=record["founds"],
        overrides=record["overrides"],
    )


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
