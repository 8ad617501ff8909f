"""Who did what to whose data, its chain, and how far it was pruned (docs/adr/0006, docs/adr/0016)."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from services.fhir.store.tables.columns import BYTEWISE, INSTANT, metadata

audit: Final = Table(
    "audit",
    metadata,
    Column("event", BYTEWISE, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("interaction", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("organization", Text),
    Column("practitioner", Text),
    Column("purpose", Text),
    Column("request", Text, nullable=False),
    Column("jti", Text),
    Column("type", Text),
    Column("id", BYTEWISE),
    Column("version", BigInteger),
    Column("patient", BYTEWISE),
    Column("query", Text),
    Column("shard", BigInteger, nullable=False),
    Column("patients", ARRAY(BYTEWISE)),
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
    Column("sealed", INSTANT, nullable=False),
    Column("end_tx", BigInteger, nullable=False),
    Column("end_event", BYTEWISE, nullable=False),
    Column("since", INSTANT),
    Column("events", ARRAY(BYTEWISE), nullable=False),
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
    Column("at", INSTANT, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("lasting_through", BigInteger, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number", name="audit_prune_pkey"),
    comment="Up to which block rows were deleted because their time was over: all but the lasting ones, and the lasting ones.",
)
