"""What the store takes and gives: prepared writes, stored versions, audit rows."""

from datetime import UTC, datetime
from typing import Any, Literal

import jiter
import msgspec

from services.fhir import balp
from services.fhir.access.grants import Opens
from services.fhir.search.index import IndexRow
from services.kit.caller import Caller

Method = Literal["POST", "PUT", "PATCH", "DELETE"]


class Write(msgspec.Struct, frozen=True):
    """One version, validated and indexed by the owner of its type, that waits for its commit.

    `version` replaces `version - 1`; version 1 must not exist yet. `moved_from` is the shard of the version before when it differs.
    `author` is the organization that made the resource; `author`, `patients` and `labels` say who sees it (store/access.py).
    """

    type: str
    id: str
    shard: int
    version: int
    updated: datetime
    method: Method
    body: str | None  # None for a deletion
    index: IndexRow | None
    patient: str | None
    author: str | None = None
    patients: tuple[str, ...] | None = None  # None where `patient` says it all
    labels: tuple[str, ...] | None = None
    refers: tuple[tuple[str, str], ...] = ()  # element, and the patient that it names
    opens: Opens | None = None  # None where the version changes no basis
    identities: tuple[str, ...] | None = None  # of a Patient; None where they stay as they are
    is_wider: bool = False  # about more patients, or with more labels, than the versions before
    created: bool = False  # a first version, or the first after a deletion: http://hl7.org/fhir/R4/http.html#upsert
    client_assigned: bool = False
    moved_from: int | None = None
    by_platform: bool = False  # beside what the caller wrote: not limited by what the caller may
    is_rehearsed: bool = False  # nobody has decided on it, and it is never committed
    subscriber: Caller | None = None  # of a Subscription that a client writes: who is to be told


class Claim(msgspec.Struct, frozen=True):
    """The right to create what a key names: the commit fails when another one took it since its turn `seen` (docs/adr/0012).

    `made` is what was written under it, `Type/id`, where somebody will ask.
    """

    key: str
    seen: int
    made: str | None = None


class Stored(msgspec.Struct, frozen=True):
    """One version as it stands in the database; `body` is the JSON text that a read answers, None for a deletion."""

    type: str
    id: str
    shard: int
    version: int
    updated: datetime
    method: Method
    body: str | None
    patient: str | None = None
    is_created: bool = False
    author: str | None = None
    patients: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'

    @property
    def is_deleted(self) -> bool:
        return self.body is None

    def parsed(self) -> dict[str, Any]:
        """The resource, its decimals with their digits; empty for a deletion."""
        found: dict[str, Any] = jiter.from_json((self.body or "{}").encode(), float_mode="decimal")
        return found


class AuditRow(msgspec.Struct, frozen=True):
    """Who did what to which personal data, from which the AuditEvent is made; the column names of `fhir.audit`.

    `event` is the AuditEvent's id.
    """

    event: str
    at: datetime
    interaction: str
    status: int
    client: str
    organization: str | None
    practitioner: str | None
    purpose: str | None
    request: str
    jti: str | None
    type: str | None = None
    id: str | None = None
    version: int | None = None
    patient: str | None = None
    query: str | None = None
    shard: int = 0
    patients: tuple[str, ...] | None = None  # of an answer about several


def instant(moment: datetime) -> str:
    """The text of `meta.lastUpdated`: UTC with milliseconds."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def stored(write: Write) -> Stored:
    return Stored(
        type=write.type,
        id=write.id,
        shard=write.shard,
        version=write.version,
        updated=write.updated,
        method=write.method,
        body=write.body,
        patient=write.patient,
        is_created=write.created,
    )


def from_record(record: Any, resource_type: str) -> Stored:
    return Stored(
        resource_type,
        record["id"],
        record["shard"],
        record["version"],
        record["updated"],
        record["method"],
        _audited(record["body"]) if resource_type == "AuditEvent" else record["body"],
        record["patient"],
    )


def _audited(body: str | None) -> str | None:
    """AuditEvents of audit rows are made when they are read; those that clients recorded are stored."""
    return balp.body_of(body) if body and body.startswith(balp.MADE) else body
