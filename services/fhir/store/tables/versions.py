"""What each commit writes beside the resources: the versions before, the outbox, claims (docs/adr/0002, docs/adr/0012)."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, PrimaryKeyConstraint, Table, Text, func

from services.fhir.store.tables.columns import BYTEWISE, INSTANT, access_columns, metadata

history: Final = Table(
    "history",
    metadata,
    Column("type", Text, nullable=False),
    Column("id", BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("updated", INSTANT, nullable=False),
    Column("method", Text, nullable=False),
    Column("body", Text),
    Column("patient", BYTEWISE),
    *access_columns(),
    Column("replaced", INSTANT, nullable=False),
    PrimaryKeyConstraint("type", "id", "version", "shard", name="history_pkey"),
    comment="Versions that a later one replaced.",
)

change: Final = Table(
    "change",
    metadata,
    Column("shard", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("method", Text, nullable=False),
    Column("patient", BYTEWISE),
    *access_columns(),
    Column("written", INSTANT, nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("written - at < interval '1 minute'", name="change_written_soon"),
    comment="One row per committed version: the transactional outbox, and the order of type and system history.",
)
Index("change_at", change.c.at, change.c.type, change.c.id, change.c.version)
Index("change_type_at", change.c.type, change.c.at, change.c.id, change.c.version)
Index("change_written", change.c.written)

unique_claim: Final = Table(
    "unique_claim",
    metadata,
    Column("key", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("made", Text),
    PrimaryKeyConstraint("key", "shard", name="unique_claim_pkey"),
    comment="What may exist once across all shards: a patient-bound resource's id that a client chose, the criteria of a conditional "
    "create, an institution's number of a care record. `turn` grows with each claim; `made` names what was written under it; `shard` is the hash of the key.",
)
