"""The patients of an organization, for a search that names none (docs/adr/0020)."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("access_grant_organization", "access_grant", ["organization", "patient"], schema="fhir")


def downgrade() -> None:
    op.drop_index("access_grant_organization", "access_grant", schema="fhir")
