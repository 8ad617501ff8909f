"""HL7 v2 messages are forgotten by the time of their last answer (docs/adr/0043)."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("v2_message_answered", "v2_message", ["answered"], schema="fhir")


def downgrade() -> None:
    op.drop_index("v2_message_answered", "v2_message", schema="fhir")
