"""Bulk jobs: what was asked, what is left to do, and the files that came of it (docs/adr/0015).

https://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BYTEWISE = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("moment", INSTANT),
        sa.Column("total", sa.BigInteger),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("tally", sa.Text, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("beat", INSTANT),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("expires", INSTANT),
        sa.PrimaryKeyConstraint("id", "shard", name="job_pkey"),
        schema="fhir",
        comment="Bulk exports and imports. All lie on shard 0, one queue; whoever's beat is recent works on a job. `moment` is the instant "
        "of an export's snapshot.",
    )
    op.create_table(
        "job_part",
        sa.Column("job", BYTEWISE, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("ids", ARRAY(BYTEWISE)),
        sa.Column("versions", ARRAY(sa.BigInteger)),
        sa.Column("content", sa.LargeBinary),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job", "number", "shard", name="job_part_pkey"),
        schema="fhir",
        comment="What a job has to do, piece by piece: versions to write out, or lines (gzip) to take in. `shard` is the hash of the job.",
    )
    op.create_table(
        "job_file",
        sa.Column("job", BYTEWISE, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("job", "number", "shard", name="job_file_pkey"),
        schema="fhir",
        comment="The files that a job has written (gzip): every replica can serve them, and they are backed up and deleted with all else.",
    )
    # What is compressed already is not compressed again.
    op.execute("ALTER TABLE fhir.job_part ALTER COLUMN content SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE fhir.job_file ALTER COLUMN content SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table in ("job_file", "job_part", "job"):
        op.drop_table(table, schema="fhir")
