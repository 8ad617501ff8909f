"""What was written under a claim: a care record is known again by its number (docs/adr/0037)."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BEFORE = (
    "What may exist once across all shards: a patient-bound resource's id that a client chose, or the criteria of a conditional "
    "create. `turn` grows with each claim; `shard` is the hash of the key."
)
NOW = (
    "What may exist once across all shards: a patient-bound resource's id that a client chose, the criteria of a conditional "
    "create, an institution's number of a care record. `turn` grows with each claim; `made` names what was written under it; `shard` is the hash of the key."
)


def upgrade() -> None:
    op.add_column("unique_claim", sa.Column("made", sa.Text), schema="fhir")
    op.create_table_comment("unique_claim", NOW, existing_comment=BEFORE, schema="fhir")


def downgrade() -> None:
    op.create_table_comment("unique_claim", BEFORE, existing_comment=NOW, schema="fhir")
    op.drop_column("unique_claim", "made", schema="fhir")
