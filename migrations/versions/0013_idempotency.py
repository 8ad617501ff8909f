"""What was answered under an Idempotency-Key (docs/adr/0035)."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, PrimaryKeyConstraint, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency",
        Column("key", Text(collation="C"), nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("asked", Text, nullable=False),
        Column("created", DateTime(timezone=True), nullable=False),
        Column("token", Text),
        Column("until", DateTime(timezone=True)),
        Column("status", SmallInteger),
        Column("headers", Text),
        Column("body", Text),
        Column("names", ARRAY(Text)),
        PrimaryKeyConstraint("key", "shard", name="idempotency_pkey"),
        comment="What was answered under an Idempotency-Key; `token` and `until` are of a request under way. `key` is a hash, `shard` its hash.",
        schema="fhir",
    )
    op.create_index("idempotency_created", "idempotency", ["created"], schema="fhir", postgresql_using="brin")


def downgrade() -> None:
    op.drop_table("idempotency", schema="fhir")
