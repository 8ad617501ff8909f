"""Claims of conditional interactions, and what history needs to miss no late commit (docs/adr/0012).

http://hl7.org/fhir/R4/http.html#ccreate
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CLAIMS = (
    "What may exist once across all shards: a patient-bound resource's id that a client chose, or the criteria of a conditional "
    "create. `turn` grows with each claim; `shard` is the hash of the key."
)
ONLY_IDS = "What may exist once across all shards: a patient-bound resource's id that a client chose. `shard` is the hash of the key."


def upgrade() -> None:
    op.add_column("unique_claim", sa.Column("turn", sa.BigInteger, nullable=False, server_default="1"), schema="fhir")
    op.alter_column("unique_claim", "turn", server_default=None, schema="fhir")
    op.create_table_comment("unique_claim", CLAIMS, existing_comment=ONLY_IDS, schema="fhir")

    op.add_column("change", sa.Column("written", sa.DateTime(timezone=True)), schema="fhir")
    op.execute("UPDATE fhir.change SET written = at")
    op.alter_column("change", "written", nullable=False, server_default=sa.text("clock_timestamp()"), schema="fhir")
    op.create_check_constraint("change_written_soon", "change", "written - at < interval '1 minute'", schema="fhir")

    op.add_column("history", sa.Column("replaced", sa.DateTime(timezone=True)), schema="fhir")
    op.execute(
        "UPDATE fhir.history h SET replaced = c.at FROM fhir.change c "
        "WHERE (c.type, c.id, c.version) = (h.type, h.id, h.version + 1)"
    )
    op.alter_column("history", "replaced", nullable=False, schema="fhir")


def downgrade() -> None:
    op.drop_column("history", "replaced", schema="fhir")
    op.drop_constraint("change_written_soon", "change", schema="fhir")
    op.drop_column("change", "written", schema="fhir")
    op.create_table_comment("unique_claim", ONLY_IDS, existing_comment=CLAIMS, schema="fhir")
    op.drop_column("unique_claim", "turn", schema="fhir")
