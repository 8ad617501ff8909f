"""HL7 v2 messages and their receipts (docs/adr/0043)."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "v2_message",
        Column("key", Text(collation="C"), nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("client", Text, nullable=False),
        Column("organization", Text, nullable=False),
        Column("event", Text, nullable=False),
        Column("control", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("received", DateTime(timezone=True), nullable=False),
        Column("answered", DateTime(timezone=True), nullable=False),
        Column("attempts", BigInteger, nullable=False),
        Column("code", Text, nullable=False),
        Column("faults", Text, nullable=False),
        Column("names", ARRAY(Text), nullable=False),
        Column("content", LargeBinary, nullable=False),
        Column("acknowledgement", LargeBinary, nullable=False),
        PrimaryKeyConstraint("key", "shard", name="v2_message_pkey"),
        comment="HL7 v2 messages as they came, and what they were answered. `key` is the hash of sender and control id, `shard` its hash; "
        "`names` are the resources that were written or found.",
        schema="fhir",
    )
    op.create_index("v2_message_open", "v2_message", ["received"], schema="fhir", postgresql_where=text("code <> 'AA'"))


def downgrade() -> None:
    op.drop_table("v2_message", schema="fhir")
