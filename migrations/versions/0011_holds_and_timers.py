"""Places of limited capacity and timers, written with the versions that take and set them (docs/adr/0026, docs/adr/0027)."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, PrimaryKeyConstraint, Text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hold",
        Column("key", Text(collation="C"), nullable=False),
        Column("n", BigInteger, nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("holder", Text(collation="C"), nullable=False),
        Column("until", DateTime(timezone=True)),
        PrimaryKeyConstraint("key", "n", "shard", name="hold_pkey"),
        comment="Who holds place `n` of what there is a limited number of. A row whose `until` has come is free. `shard` is the hash of the key.",
        schema="fhir",
    )
    op.create_index("hold_holder", "hold", ["holder"], schema="fhir")
    op.create_table(
        "timer",
        Column("holder", Text(collation="C"), nullable=False),
        Column("act", Text, nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("service", Text, nullable=False),
        Column("due", DateTime(timezone=True), nullable=False),
        Column("ready", DateTime(timezone=True), nullable=False),
        Column("attempts", BigInteger, nullable=False),
        PrimaryKeyConstraint("holder", "act", "shard", name="timer_pkey"),
        comment="What the platform does by itself and when. Who takes one up moves `ready` ahead; the effect's own commit deletes it. "
        "`shard` is one of 16, from the hash of the holder.",
        schema="fhir",
    )
    op.create_index("timer_ready", "timer", ["service", "ready", "shard"], schema="fhir")


def downgrade() -> None:
    op.drop_table("timer", schema="fhir")
    op.drop_table("hold", schema="fhir")
