"""What is to be indexed anew when a search parameter is stored (docs/adr/0022)."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, PrimaryKeyConstraint, Text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reindex",
        Column("parameter", Text(collation="C"), nullable=False),
        Column("type", Text, nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("state", Text, nullable=False),
        Column("after", Text(collation="C"), nullable=False),
        Column("done", BigInteger, nullable=False),
        Column("total", BigInteger),
        Column("created", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("parameter", "type", "shard", name="reindex_pkey"),
        comment="How far the resources of a type are indexed by a stored SearchParameter, up to the id `after`. `shard` is the parameter's.",
        schema="fhir",
    )


def downgrade() -> None:
    op.drop_table("reindex", schema="fhir")
