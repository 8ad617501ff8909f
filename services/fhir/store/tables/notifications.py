"""From the outbox to subscribers (docs/adr/0030)."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, PrimaryKeyConstraint, Table, Text, text

from services.fhir.store.tables.columns import BYTEWISE, INSTANT, metadata

outbox_reader: Final = Table(
    "outbox_reader",
    metadata,
    Column("name", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("written", INSTANT, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", "shard", name="outbox_reader_pkey"),
    comment="Up to which row of `change` its readers have read; the row of a reader is locked while one process reads on. On shard 0.",
)

subscriber: Final = Table(
    "subscriber",
    metadata,
    Column("id", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("caller", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("activated", Boolean, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("failing", INSTANT),
    Column("gate", INSTANT),
    Column("due", INSTANT),
    Column("worker", Text),
    Column("lease", INSTANT),
    Column("sent", INSTANT),
    PrimaryKeyConstraint("id", "shard", name="subscriber_pkey"),
    comment="One row per Subscription: for whom it is, how many events it has, and who is sending. `version` is that of the Subscription "
    "which counts; `turn` grows with each work that is added; no call is made before `gate`. `shard` is the Subscription's.",
)
Index("subscriber_due", subscriber.c.due, postgresql_where=text("due IS NOT NULL"))

subscription_event: Final = Table(
    "subscription_event",
    metadata,
    Column("subscription", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", BYTEWISE, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("method", Text, nullable=False),
    Column("patient", BYTEWISE),
    Column("state", Text, nullable=False),
    Column("created", INSTANT, nullable=False),
    Column("due", INSTANT, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("sent", INSTANT),
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
