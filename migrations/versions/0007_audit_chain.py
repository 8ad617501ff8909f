"""Audit rows get an id and the transaction that wrote them; blocks chain them by hash; what was pruned is told (docs/adr/0016).

https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BYTEWISE = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)
TX = "(pg_current_xact_id()::text)::bigint"


COMMENT = "One row per access to personal data, durable before the answer leaves. Append-only; `tx` is the transaction that wrote it."


def upgrade() -> None:
    op.execute(f"COMMENT ON TABLE fhir.audit IS '{COMMENT}'")
    op.execute(
        f"""ALTER TABLE fhir.audit ADD event text COLLATE "C" NOT NULL DEFAULT gen_random_uuid(),
        ADD tx bigint NOT NULL DEFAULT {TX}"""
    )
    op.execute("ALTER TABLE fhir.audit ALTER event DROP DEFAULT")
    op.create_index("audit_tx", "audit", ["tx"], schema="fhir")
    op.create_index("audit_event", "audit", ["event"], schema="fhir")
    op.create_index(
        "audit_patient", "audit", ["patient", "at"], schema="fhir", postgresql_where=sa.text("patient IS NOT NULL")
    )
    op.create_table(
        "audit_block",
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("sealed", INSTANT, nullable=False),
        sa.Column("end_tx", sa.BigInteger, nullable=False),
        sa.Column("end_event", BYTEWISE, nullable=False),
        sa.Column("since", INSTANT),
        sa.Column("events", ARRAY(BYTEWISE), nullable=False),
        sa.Column("digests", sa.LargeBinary, nullable=False),
        sa.Column("lasting", ARRAY(sa.BigInteger), nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="audit_block_pkey"),
        comment="The chain: which audit rows were there, with their digests, and the hash of the block before. Append-only.",
        schema="fhir",
    )
    op.create_table(
        "audit_prune",
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("through", sa.BigInteger, nullable=False),
        sa.Column("lasting_through", sa.BigInteger, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="audit_prune_pkey"),
        comment="Up to which block rows were deleted because their time was over: all but the lasting ones, and the lasting ones.",
        schema="fhir",
    )


def downgrade() -> None:
    op.drop_table("audit_prune", schema="fhir")
    op.drop_table("audit_block", schema="fhir")
    for name in ("audit_patient", "audit_event", "audit_tx"):
        op.drop_index(name, "audit", schema="fhir")
    op.execute("ALTER TABLE fhir.audit DROP event, DROP tx")
