"""The tables of schema `fhir`: one per resource type, and four that all types share (docs/adr/0003, docs/adr/0005).

A resource's index lies in its own row. `tokens` holds token, reference, uri and boolean values with their parameter, under GIN;
`strings` the normalised string parts and the texts of codes, `words` those of a full text search, both under GIN as lexemes, so that a
prefix of any length is an index scan; `quantities` numbers and quantities; `composites` values that stand together; `contained` the index
of the resources inside; each date parameter has its bounds as columns. `shard` is in every primary key and is never updated.
"""

from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE

from services.fhir.definitions import resource_types
from services.fhir.search.index import date_parameters, patient_parameter

SCHEMA: Final = "fhir"
UNSTORED: Final = frozenset(
    {"Parameters"}
)  # http://hl7.org/fhir/R4/parameters.html: "there is no RESTful endpoint associated with it"

# Every caller sorts ids and tokens bytewise: no collation may stand between a page link and its next row.
_BYTEWISE: Final = Text(collation="C")
_INSTANT: Final = DateTime(timezone=True)

metadata: Final = MetaData(schema=SCHEMA)


@cache
def stored_types() -> tuple[str, ...]:
    return tuple(t for t in resource_types() if t not in UNSTORED)


def access_columns() -> tuple[Column[Any], ...]:
    """By what a row is seen (store/access.py): who made it, whom it is about where `patient` does not say it all, its labels."""
    return (Column("author", Text), Column("patients", ARRAY(_BYTEWISE)), Column("labels", ARRAY(Text)))


@cache
def all_tables() -> MetaData:
    """Every table of the schema, for Alembic to compare with."""
    for resource_type in stored_types():
        resource_table(resource_type)
    return metadata


@cache
def resource_table(resource_type: str) -> Table:
    name = resource_type.lower()
    dates = date_parameters(resource_type)
    table = Table(
        name,
        metadata,
        Column("id", _BYTEWISE, nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("updated", _INSTANT, nullable=False),
        Column("method", Text, nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("body", Text),
        Column("patient", _BYTEWISE),
        *access_columns(),
        Column("tokens", ARRAY(_BYTEWISE), nullable=False),
        Column("strings", ARRAY(_BYTEWISE), nullable=False),
        Column("words", ARRAY(_BYTEWISE), nullable=False),
        Column("quantities", JSONB),
        Column("composites", JSONB),
        Column("contained", JSONB),
        *(Column(f"{d.column}_{end}", _INSTANT) for d in dates for end in ("lo", "hi")),
        *(Column(f"{d.column}_each", ARRAY(TSTZRANGE)) for d in dates if d.repeats),
        PrimaryKeyConstraint("id", "shard", name=f"{name}_pkey"),
    )
    Index(f"{name}_updated", table.c.updated, table.c.id)
    Index(f"{name}_tokens", table.c.tokens, postgresql_using="gin")
    lexemes = (func.array_to_tsvector(table.c.strings), func.array_to_tsvector(table.c.words))
    Index(f"{name}_strings", *lexemes, postgresql_using="gin")
    if patient_parameter(resource_type) not in (None, "_id"):
        timeline = [table.c[f"{timeline_column(resource_type)}_lo"].desc().nulls_last()] if dates else []
        Index(
            f"{name}_patient",
            table.c.patient,
            table.c.shard,
            *timeline,
            table.c.id,
            postgresql_where=text("NOT deleted"),
        )
    return table


def timeline_column(resource_type: str) -> str:
    """The date parameter by which a patient's resources of this type are usually read: the type's own date, else its first."""
    columns = [d.column for d in date_parameters(resource_type)]
    return next(
        (c for c in ("date", "authored_on", "authored", "period", "recorded_date", "created") if c in columns),
        columns[0],
    )


history: Final = Table(
    "history",
    metadata,
    Column("type", Text, nullable=False),
    Column("id", _BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("updated", _INSTANT, nullable=False),
    Column("method", Text, nullable=False),
    Column("body", Text),
    Column("patient", _BYTEWISE),
    *access_columns(),
    Column("replaced", _INSTANT, nullable=False),
    PrimaryKeyConstraint("type", "id", "version", "shard", name="history_pkey"),
    comment="Versions that a later one replaced.",
)

change: Final = Table(
    "change",
    metadata,
    Column("shard", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", _BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("at", _INSTANT, nullable=False),
    Column("method", Text, nullable=False),
    Column("patient", _BYTEWISE),
    *access_columns(),
    Column("written", _INSTANT, nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("written - at < interval '1 minute'", name="change_written_soon"),
    comment="One row per committed version: the transactional outbox, and the order of type and system history.",
)
Index("change_at", change.c.at, change.c.type, change.c.id, change.c.version)
Index("change_type_at", change.c.type, change.c.at, change.c.id, change.c.version)
Index("change_written", change.c.written)

audit: Final = Table(
    "audit",
    metadata,
    Column("event", _BYTEWISE, nullable=False),
    Column("at", _INSTANT, nullable=False),
    Column("interaction", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("organization", Text),
    Column("practitioner", Text),
    Column("purpose", Text),
    Column("request", Text, nullable=False),
    Column("jti", Text),
    Column("type", Text),
    Column("id", _BYTEWISE),
    Column("version", BigInteger),
    Column("patient", _BYTEWISE),
    Column("query", Text),
    Column("shard", BigInteger, nullable=False),
    Column("patients", ARRAY(_BYTEWISE)),
    Column("tx", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    comment="One row per access to personal data, durable before the answer leaves. Append-only; `tx` is the transaction that wrote it.",
)
Index("audit_at", audit.c.at, postgresql_using="brin")
Index("audit_tx", audit.c.tx)
Index("audit_event", audit.c.event)
Index("audit_patient", audit.c.patient, audit.c.at, postgresql_where=text("patient IS NOT NULL"))
Index("audit_patients", audit.c.patients, postgresql_using="gin", postgresql_where=text("patients IS NOT NULL"))

audit_block: Final = Table(
    "audit_block",
    metadata,
    Column("number", BigInteger, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("sealed", _INSTANT, nullable=False),
    Column("end_tx", BigInteger, nullable=False),
    Column("end_event", _BYTEWISE, nullable=False),
    Column("since", _INSTANT),
    Column("events", ARRAY(_BYTEWISE), nullable=False),
    Column("digests", LargeBinary, nullable=False),
    Column("lasting", ARRAY(BigInteger), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("key", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number", name="audit_block_pkey"),
    comment="The chain: which audit rows were there, with their digests, and the hash of the block before. Append-only.",
)

audit_prune: Final = Table(
    "audit_prune",
    metadata,
    Column("number", BigInteger, nullable=False),
    Column("at", _INSTANT, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("lasting_through", BigInteger, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number", name="audit_prune_pkey"),
    comment="Up to which block rows were deleted because their time was over: all but the lasting ones, and the lasting ones.",
)

unique_claim: Final = Table(
    "unique_claim",
    metadata,
    Column("key", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False),
    PrimaryKeyConstraint("key", "shard", name="unique_claim_pkey"),
    comment="What may exist once across all shards: a patient-bound resource's id that a client chose, or the criteria of a conditional "
    "create. `turn` grows with each claim; `shard` is the hash of the key.",
)

job: Final = Table(
    "job",
    metadata,
    Column("id", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("created", _INSTANT, nullable=False),
    Column("moment", _INSTANT),
    Column("total", BigInteger),
    Column("done", BigInteger, nullable=False),
    Column("tally", Text, nullable=False),
    Column("worker", Text),
    Column("beat", _INSTANT),
    Column("attempts", BigInteger, nullable=False),
    Column("failure", Text),
    Column("expires", _INSTANT),
    PrimaryKeyConstraint("id", "shard", name="job_pkey"),
    comment="Bulk exports and imports. All lie on shard 0, one queue; whoever's beat is recent works on a job. `moment` is the instant "
    "of an export's snapshot.",
)

job_part: Final = Table(
    "job_part",
    metadata,
    Column("job", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("ids", ARRAY(_BYTEWISE)),
    Column("versions", ARRAY(BigInteger)),
    Column("content", LargeBinary),
    Column("first", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    PrimaryKeyConstraint("job", "number", "shard", name="job_part_pkey"),
    comment="What a job has to do, piece by piece: versions to write out, or lines (gzip) to take in. `shard` is the hash of the job.",
)

job_file: Final = Table(
    "job_file",
    metadata,
    Column("job", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("job", "number", "shard", name="job_file_pkey"),
    comment="The files that a job has written (gzip): every replica can serve them, and they are backed up and deleted with all else.",
)

access_grant: Final = Table(
    "access_grant",
    metadata,
    Column("patient", _BYTEWISE, nullable=False),
    Column("organization", _BYTEWISE, nullable=False),
    Column("basis", Text, nullable=False),
    Column("source", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("begins", _INSTANT, nullable=False),
    Column("ends", _INSTANT, nullable=False),
    Column("types", ARRAY(Text)),
    Column("purposes", ARRAY(Text)),
    Column("resources", ARRAY(_BYTEWISE)),
    Column("may_write", Boolean, nullable=False),
    Column("founds", Boolean, nullable=False),
    Column("overrides", Boolean, nullable=False),
    PrimaryKeyConstraint("patient", "organization", "basis", "source", "shard", name="access_grant_pkey"),
    comment="What basis an organization has for a patient, from which resource (`source`), and how far it goes. `shard` is the patient's.",
)
Index("access_grant_source", access_grant.c.source)
Index("access_grant_organization", access_grant.c.organization, access_grant.c.patient)

consent_rule: Final = Table(
    "consent_rule",
    metadata,
    Column("patient", _BYTEWISE, nullable=False),
    Column("source", _BYTEWISE, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("excepts", BigInteger),
    Column("organization", _BYTEWISE),
    Column("purposes", ARRAY(Text)),
    Column("types", ARRAY(Text)),
    Column("begins", _INSTANT, nullable=False),
    Column("ends", _INSTANT, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    PrimaryKeyConstraint("patient", "source", "number", "shard", name="consent_rule_pkey"),
    comment="What a patient's consent denies; a row with `excepts` is an exception to the denial of that number. `shard` is the patient's.",
)
Index("consent_rule_source", consent_rule.c.source)

supervision: Final = Table(
    "supervision",
    metadata,
    Column("lead", _BYTEWISE, nullable=False),
    Column("supervised", _BYTEWISE, nullable=False),
    Column("source", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("begins", _INSTANT, nullable=False),
    Column("ends", _INSTANT, nullable=False),
    PrimaryKeyConstraint("lead", "supervised", "source", "shard", name="supervision_pkey"),
    comment="Whose patients an organization may read as the lead of a consortium. `shard` is the hash of the lead.",
)
Index("supervision_source", supervision.c.source)

identity: Final = Table(
    "identity",
    metadata,
    Column("key", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("patient", _BYTEWISE, nullable=False),
    PrimaryKeyConstraint("key", "shard", name="identity_pkey"),
    comment="Which patient has a strong identifier: one person, one Patient. `shard` is the hash of the key.",
)
Index("identity_patient", identity.c.patient)

registration_attempt: Final = Table(
    "registration_attempt",
    metadata,
    Column("organization", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("at", _INSTANT, nullable=False),
    Column("request", Text, nullable=False),
    PrimaryKeyConstraint("organization", "at", "request", "shard", name="registration_attempt_pkey"),
    comment="Statements of Patient/$register that were wrong, which are limited. `shard` is the hash of the organization.",
)

reindex: Final = Table(
    "reindex",
    metadata,
    Column("parameter", _BYTEWISE, nullable=False),
    Column("type", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("after", _BYTEWISE, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("created", _INSTANT, nullable=False),
    PrimaryKeyConstraint("parameter", "type", "shard", name="reindex_pkey"),
    comment="How far the resources of a type are indexed by a stored SearchParameter, up to the id `after`. `shard` is the parameter's.",
)

hold: Final = Table(
    "hold",
    metadata,
    Column("key", _BYTEWISE, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("holder", _BYTEWISE, nullable=False),
    Column("until", _INSTANT),
    PrimaryKeyConstraint("key", "n", "shard", name="hold_pkey"),
    comment="Who holds place `n` of what there is a limited number of. A row whose `until` has come is free. `shard` is the hash of the key.",
)
Index("hold_holder", hold.c.holder)

timer: Final = Table(
    "timer",
    metadata,
    Column("holder", _BYTEWISE, nullable=False),
    Column("act", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("service", Text, nullable=False),
    Column("due", _INSTANT, nullable=False),
    Column("ready", _INSTANT, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    PrimaryKeyConstraint("holder", "act", "shard", name="timer_pkey"),
    comment="What the platform does by itself and when. Who takes one up moves `ready` ahead; the effect's own commit deletes it. "
    "`shard` is one of 16, from the hash of the holder.",
)
Index("timer_ready", timer.c.service, timer.c.ready, timer.c.shard)

outbox_reader: Final = Table(
    "outbox_reader",
    metadata,
    Column("name", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("written", _INSTANT, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", _BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", "shard", name="outbox_reader_pkey"),
    comment="Up to which row of `change` its readers have read; the row of a reader is locked while one process reads on. On shard 0.",
)

subscriber: Final = Table(
    "subscriber",
    metadata,
    Column("id", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("caller", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("activated", Boolean, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("failing", _INSTANT),
    Column("gate", _INSTANT),
    Column("due", _INSTANT),
    Column("worker", Text),
    Column("lease", _INSTANT),
    Column("sent", _INSTANT),
    PrimaryKeyConstraint("id", "shard", name="subscriber_pkey"),
    comment="One row per Subscription: for whom it is, how many events it has, and who is sending. `version` is that of the Subscription "
    "which counts; `turn` grows with each work that is added; no call is made before `gate`. `shard` is the Subscription's.",
)
Index("subscriber_due", subscriber.c.due, postgresql_where=text("due IS NOT NULL"))

subscription_event: Final = Table(
    "subscription_event",
    metadata,
    Column("subscription", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", _BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("at", _INSTANT, nullable=False),
    Column("method", Text, nullable=False),
    Column("patient", _BYTEWISE),
    Column("state", Text, nullable=False),
    Column("created", _INSTANT, nullable=False),
    Column("due", _INSTANT, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("sent", _INSTANT),
    PrimaryKeyConstraint("subscription", "number", "shard", name="subscription_event_pkey"),
    comment="What happened for each subscription, numbered without a gap: pending, delivered, dead or withheld. `shard` is the Subscription's.",
)
Index(
    "subscription_event_pending",
    subscription_event.c.subscription,
    subscription_event.c.shard,
    subscription_event.c.number,
    postgresql_where=text("state = 'pending'"),
)
Index(
    "subscription_event_refused",
    subscription_event.c.subscription,
    subscription_event.c.shard,
    subscription_event.c.type,
    subscription_event.c.id,
    subscription_event.c.number,
    postgresql_where=text("state = 'pending' AND attempts > 0"),
)
Index("subscription_event_created", subscription_event.c.created, postgresql_using="brin")

idempotency: Final = Table(
    "idempotency",
    metadata,
    Column("key", _BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("asked", Text, nullable=False),
    Column("created", _INSTANT, nullable=False),
    Column("token", Text),
    Column("until", _INSTANT),
    Column("status", SmallInteger),
    Column("headers", Text),
    Column("body", Text),
    Column("names", ARRAY(Text)),
    PrimaryKeyConstraint("key", "shard", name="idempotency_pkey"),
    comment="What was answered under an Idempotency-Key; `token` and `until` are of a request under way. `key` is a hash, `shard` its hash.",
)
Index("idempotency_created", idempotency.c.created, postgresql_using="brin")
