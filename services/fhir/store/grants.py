"""The part of a commit that decides who sees what: references checked, bases and consents written, identities claimed (docs/adr/0011)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.fhir.access.access import Access
from services.fhir.access.consent import Denial
from services.fhir.access.grants import Opening, Opens, settled
from services.fhir.outcomes import FhirError, conflict, unprocessable
from services.fhir.store.grant_rows import FOREVER, Row, change, moment_of, rows_of
from services.fhir.store.rows import Write
from services.fhir.store.shards import shard_of
from services.fhir.store.standing import Standing, source_of

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


def check_references(writes: Sequence[Write], standing: Standing, access: Access) -> None:
    """A patient out of reach is refused as an unknown one is: 422 at the element that names it."""
    for refused in unknown_references(writes, standing, access):
        raise refused


def unknown_references(writes: Sequence[Write], standing: Standing, access: Access) -> Iterator[WriteRefused]:
    """Each write that names a patient out of reach, by the first element that does."""
    for write in writes:
        if access.is_system or write.by_platform:
            continue
        element = next((element for element, patient in write.refers if patient not in standing.known), None)
        if element is not None:
            yield WriteRefused(unknown_patient(element), write)


def unknown_patient(element: str) -> FhirError:
    return unprocessable(
        f"{element} names no patient that is known here; Patient/$register is the way in",
        code="not-found",
        text="引用的患者不存在或尚未在本机构登记",
        expression=(element,),
    )


async def write_access(connection: Any, writes: Sequence[Write], standing: Standing, access: Access) -> None:
    """To be called inside the transaction that has written the versions."""
    await _claim_identities(connection, [w for w in writes if w.identities is not None])
    before: list[Row] = []
    after: list[Row] = []
    for write in writes:
        if write.is_wider:
            await _widen(connection, write)
        if write.opens is not None:
            granted = standing.granted.get(source_of(write), ())
            before += rows_of(granted, source_of(write))
            after += rows_of(
                await _replaced(connection, write, write.opens, granted, standing, access), source_of(write)
            )
    await change(connection, before, after)


async def _replaced(
    connection: Any, write: Write, opens: Opens, before: Sequence[Opening], standing: Standing, access: Access
) -> list[Opening]:
    """What counts now; what else the version says of access is written at once."""
    counted = settled(
        opens.openings,
        before,
        is_founder=lambda patient: write.by_platform or patient in standing.founding,
        moment=moment_of(write, access),
    )
    if write.type == "Consent":
        await _replace_rules(connection, write, opens.denials, counted)
    if write.type == "OrganizationAffiliation":
        await _replace_supervisions(connection, write, opens, access)
    return counted


async def _replace_rules(
    connection: Any, write: Write, denials: Sequence[Denial], permitted: Sequence[Opening]
) -> None:
    """A new permission lifts what the withdrawal of an earlier one denies to the same organization."""
    source = source_of(write)
    if write.version > 1:
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
    source, is_platform = source_of(write), access.is_system or write.by_platform
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
