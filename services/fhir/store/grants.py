"""The part of a commit that decides who sees what: references checked, bases and consents written, identities claimed (docs/adr/0011)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.fhir.access.access import Access
from services.fhir.access.consent import Denial
from services.fhir.access.grants import Opening, Opens, settled
from services.fhir.outcomes import FhirError, conflict, unprocessable
from services.fhir.store.access import founds, may_refer
from services.fhir.store.grant_rows import FOREVER, GRANT, INSERT, Row, columns_of, moment_of, rows_of
from services.fhir.store.rows import Write
from services.fhir.store.shards import shard_of
from services.fhir.store.statement import Sql

_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_INSERT_RULE: Final = """
INSERT INTO fhir.consent_rule (patient, source, number, shard, excepts, organization, purposes, types, begins, ends, withdrawn)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""
_INSERT_SUPERVISION: Final = (
    "INSERT INTO fhir.supervision (lead, supervised, source, shard, begins, ends) VALUES ($1, $2, $3, $4, $5, $6)"
)
_CLAIM_IDENTITY: Final = """
INSERT INTO fhir.identity AS i (key, shard, patient) VALUES ($1, $2, $3)
ON CONFLICT (key, shard) DO UPDATE SET patient = i.patient RETURNING patient"""


class WriteRefused(FhirError):  # noqa: N818 - the state it names
    """One write of a commit cannot be made; `write` tells which, so that a transaction can name its entry."""

    def __init__(self, error: FhirError, write: Write) -> None:
        super().__init__(error.status, error.issues, error.headers)
        self.write = write


class KnownPerson(WriteRefused):
    """A strong identifier of the write is that of another `patient`, whom the writer may or may not see."""

    def __init__(self, write: Write, patient: str) -> None:
        super().__init__(_taken(), write)
        self.patient = patient


async def check_references(connection: Any, writes: Sequence[Write], access: Access) -> None:
    """A patient out of reach is refused as an unknown one is: 422 at the element that names it."""
    made = {w.id for w in writes if w.type == "Patient" and w.body is not None}
    asked = {patient for w in writes if not w.by_platform for _, patient in w.refers} - made
    if not asked or access.is_system:
        return
    sql = Sql(access)
    pairs = sorted(asked)
    ids, shards = sql.bind(pairs, "text[]"), sql.bind([shard_of(p) for p in pairs], "bigint[]")
    text = f"SELECT p.id FROM unnest({ids}, {shards}) AS p (id, shard) WHERE {may_refer('p.id', 'p.shard', sql)}"
    known = {record["id"] for record in await connection.fetch(text, *sql.values)} | made
    for write in writes:
        for element, patient in write.refers:
            if patient not in known and not write.by_platform:
                raise WriteRefused(_unknown(element), write)


def _unknown(element: str) -> FhirError:
    return unprocessable(
        f"{element} names no patient that is known here; Patient/$register is the way in",
        code="not-found",
        text="引用的患者不存在或尚未在本机构登记",
        expression=(element,),
    )


async def write_access(connection: Any, writes: Sequence[Write], access: Access) -> None:
    """To be called inside the transaction that has written the versions."""
    await _claim_identities(connection, [w for w in writes if w.identities is not None])
    for write in writes:
        if write.is_wider:
            await _widen(connection, write)
    opening = [(w, w.opens) for w in writes if w.opens is not None]
    if not opening:
        return
    new_patients = {w.id for w in writes if w.type == "Patient" and w.version == 1}
    own = new_patients | await _founded(connection, [each for each in opening if not each[0].by_platform], access)
    before = await _taken_back(connection, [_source(w) for w, _ in opening])
    rows: list[Row] = []
    for write, opens in opening:
        founded = {o.patient for o in opens.openings} if write.by_platform else own
        rows += await _replace(connection, write, opens, before[_source(write)], founded, access)
    if rows:
        await connection.execute(INSERT, *columns_of(rows))


def _source(write: Write) -> str:
    return f"{write.type}/{write.id}"


async def _founded(connection: Any, opening: Sequence[tuple[Write, Opens]], access: Access) -> set[str]:
    """The patients for whom the writer has a basis already, on which another one can be founded."""
    patients = sorted({o.patient for _, opens in opening for o in opens.openings})
    if not patients:
        return set()
    if access.is_system:
        return set(patients)
    sql = Sql(access)
    ids, shards = sql.bind(patients, "text[]"), sql.bind([shard_of(p) for p in patients], "bigint[]")
    text = f"SELECT p.id FROM unnest({ids}, {shards}) AS p (id, shard) WHERE {founds('p.id', 'p.shard', sql)}"
    return {record["id"] for record in await connection.fetch(text, *sql.values)}


async def _taken_back(connection: Any, sources: Sequence[str]) -> dict[str, list[Opening]]:
    """What these resources have granted goes, to be given anew as far as it counts; their own rows are locked already."""
    found: dict[str, list[Opening]] = defaultdict(list)
    sql = f"DELETE FROM fhir.access_grant WHERE source = ANY($1::text[]) RETURNING {GRANT}"
    for r in await connection.fetch(sql, list(sources)):
        found[r["source"]].append(
            Opening(
                patient=r["patient"],
                organization=r["organization"],
                basis=r["basis"],
                begins=r["begins"],
                ends=None if r["ends"] >= FOREVER else r["ends"],
                types=_tuple(r["types"]),
                purposes=_tuple(r["purposes"]),
                resources=_tuple(r["resources"]),
                may_write=r["may_write"],
                founds=r["founds"],
                overrides=r["overrides"],
            )
        )
    return found


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


async def _replace(
    connection: Any, write: Write, opens: Opens, before: Sequence[Opening], founded: set[str], access: Access
) -> list[Row]:
    """What counts now is given back, to be written with that of all others."""
    source = _source(write)
    counted = settled(
        opens.openings, before, is_founder=lambda patient: patient in founded, moment=moment_of(write, access)
    )
    if write.type == "Consent":
        await _replace_rules(connection, source, opens.denials, counted)
    if write.type == "OrganizationAffiliation":
        await _replace_supervisions(connection, write, opens, access)
    return rows_of(counted, source)


async def _replace_rules(connection: Any, source: str, denials: Sequence[Denial], permitted: Sequence[Opening]) -> None:
    """A new permission lifts what the withdrawal of an earlier one denies to the same organization."""
    await connection.execute("DELETE FROM fhir.consent_rule WHERE source = $1", source)
    for opening in permitted:
        await connection.execute(
            "DELETE FROM fhir.consent_rule WHERE patient = $1 AND shard = $2 AND organization = $3 AND withdrawn",
            opening.patient,
            shard_of(opening.patient),
            opening.organization,
        )
    number = 0
    for denial in denials:
        number += 1
        await connection.execute(_INSERT_RULE, *_rule(denial, source, number, None))
        of = number
        for exception in denial.exceptions:
            number += 1
            await connection.execute(_INSERT_RULE, *_rule(exception, source, number, of))


def _rule(denial: Denial, source: str, number: int, excepts: int | None) -> tuple[Any, ...]:
    d = denial
    return (
        d.patient, source, number, shard_of(d.patient), excepts, d.organization, d.purposes, d.types,
        d.begins or _EARLIEST, d.ends or FOREVER, d.withdrawn,
    )  # fmt: skip


async def _replace_supervisions(connection: Any, write: Write, opens: Opens, access: Access) -> None:
    """Who is supervised says so itself; a lead that says so opens nothing."""
    source, is_platform = _source(write), access.is_system or write.by_platform
    await connection.execute("DELETE FROM fhir.supervision WHERE source = $1", source)
    for s in opens.supervisions:
        if is_platform or s.supervised == access.organization:
            values = (s.lead, s.supervised, source, shard_of(s.lead), s.begins, s.ends or FOREVER)
            await connection.execute(_INSERT_SUPERVISION, *values)


async def _claim_identities(connection: Any, patients: Sequence[Write]) -> None:
    """Take the keys of new identifiers, in one global order, and give back those that are no longer used."""
    wanted = sorted((key, w.id, n) for n, w in enumerate(patients) for key in w.identities or ())
    for w in patients:
        if w.version > 1:
            sql = "DELETE FROM fhir.identity WHERE patient = $1 AND key <> ALL($2::text[])"
            await connection.execute(sql, w.id, list(w.identities or ()))
    for key, patient, n in wanted:
        holder = await connection.fetchval(_CLAIM_IDENTITY, key, shard_of(key), patient)
        if holder != patient:
            raise KnownPerson(patients[n], holder)


def _taken() -> FhirError:
    return conflict(
        "A person with this identifier is registered already; use Patient/$register",
        code="duplicate",
        text="该证件号码已登记，请通过 Patient/$register 办理",
        expression=("Patient.identifier",),
    )


async def _widen(connection: Any, write: Write) -> None:
    """Older versions are seen by no more than may see all that the resource has been about, under every label that it has got."""
    for table in ("history", "change"):
        await connection.execute(
            f"""UPDATE fhir.{table} SET
              labels = nullif(ARRAY(SELECT unnest(labels) UNION SELECT unnest($3::text[]) ORDER BY 1), '{{}}'),
              patients = nullif(ARRAY(SELECT unnest(coalesce(patients, ARRAY[patient])) UNION SELECT unnest($4::text[]) ORDER BY 1),
                ARRAY[patient])
            WHERE type = $1 AND id = $2 AND version < $5""",
            write.type,
            write.id,
            list(write.labels or ()),
            list(write.patients if write.patients is not None else [write.patient] if write.patient else []),
            write.version,
        )
