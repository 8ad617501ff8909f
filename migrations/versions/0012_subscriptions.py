"""Subscriptions: for whom they are, their numbered events, and how far the outbox was read (docs/adr/0030)."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BYTEWISE = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_index("change_written", "change", ["written"], schema="fhir")
    op.create_table(
        "outbox_reader",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("written", INSTANT, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", "shard", name="outbox_reader_pkey"),
        schema="fhir",
        comment="Up to which row of `change` its readers have read; the row of a reader is locked while one process reads on. On shard 0.",
    )
    # What was written before is nobody's news.
    op.execute("INSERT INTO fhir.outbox_reader VALUES ('subscriptions', 0, clock_timestamp(), '', '', 0)")
    op.create_table(
        "subscriber",
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("activated", sa.Boolean, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("failing", INSTANT),
        sa.Column("gate", INSTANT),
        sa.Column("due", INSTANT),
        sa.Column("worker", sa.Text),
        sa.Column("lease", INSTANT),
        sa.Column("sent", INSTANT),
        sa.PrimaryKeyConstraint("id", "shard", name="subscriber_pkey"),
        schema="fhir",
        comment="One row per Subscription: for whom it is, how many events it has, and who is sending. `version` is that of the Subscription "
        "which counts; `turn` grows with each work that is added; no call is made before `gate`. `shard` is the Subscription's.",
    )
    op.create_index(
        "subscriber_due", "subscriber", ["due"], schema="fhir", postgresql_where=sa.text("due IS NOT NULL")
    )
    op.create_table(
        "subscription_event",
        sa.Column("subscription", BYTEWISE, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("patient", BYTEWISE),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("due", INSTANT, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("sent", INSTANT),
        sa.PrimaryKeyConstraint("subscription", "number", "shard", name="subscription_event_pkey"),
        schema="fhir",
        comment="What happened for each subscription, numbered without a gap: pending, delivered, dead or withheld. `shard` is the Subscription's.",
    )
    for name, columns, where in (
        ("subscription_event_pending", ["subscription", "shard", "number"], "state = 'pending'"),
        (
            "subscription_event_refused",
            ["subscription", "shard", "type", "id", "number"],
            "state = 'pending' AND attempts > 0",
        ),
    ):
        op.create_index(name, "subscription_event", columns, schema="fhir", postgresql_where=sa.text(where))
    op.create_index(
        "subscription_event_created", "subscription_event", ["created"], schema="fhir", postgresql_using="brin"
    )


def downgrade() -> None:
    for table in ("subscription_event", "subscriber", "outbox_reader"):
        op.drop_table(table, schema="fhir")
    op.drop_index("change_written", "change", schema="fhir")
