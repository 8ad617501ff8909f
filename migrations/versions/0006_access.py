"""By what a row is seen, and the bases, consents, supervisions and identities behind it (docs/adr/0011).

Rows from before have no author and nobody has a basis for their patients: they are seen by nobody until one is opened.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SHARED = ("history", "change")
LABELS = {
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality": ("R", "V"),
    "http://terminology.hl7.org/CodeSystem/v3-ActCode": (
        "PSY", "PSYTHPN", "BH", "HIV", "STD", "SDV", "SEX", "ETH", "SUD", "VIO",
    ),
    "https://yiyang.example/fhir/CodeSystem/sensitive-category": (
        "mental-health", "infectious", "hospice", "domestic-violence",
    ),
}  # fmt: skip


def bytewise() -> sa.Text:
    return sa.Text(collation="C")


def instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def resource_tables() -> list[str]:
    """The tables that have an index of tokens: one per resource type."""
    found = op.get_bind().execute(
        sa.text(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tokens' "
            "WHERE c.relnamespace = 'fhir'::regnamespace AND c.relkind = 'r' ORDER BY 1"
        )
    )
    return [row[0] for row in found]


def upgrade() -> None:
    tables = resource_tables()
    for name in (*tables, *SHARED):
        op.execute(f'ALTER TABLE fhir."{name}" ADD author text, ADD patients text[] COLLATE "C", ADD labels text[]')
    for name in tables:
        fill(name)
    create_tables()


def fill(name: str) -> None:
    """Labels and patients of the rows that are there, from their index; older versions follow their current one."""
    keys = ", ".join(f"('_security={system}|{code}', '{code}')" for system, codes in LABELS.items() for code in codes)
    op.execute(
        f"""UPDATE fhir."{name}" t SET
          labels = (SELECT nullif(array_agg(DISTINCT l.code), '{{}}') FROM (VALUES {keys}) AS l (key, code) WHERE l.key = ANY(t.tokens)),
          patients = (SELECT nullif(array_agg(DISTINCT split_part(k, '=Patient/', 2)), ARRAY[t.patient])
            FROM unnest(t.tokens) k WHERE k ~ '^[a-z-]+=Patient/')"""
    )
    for shared in SHARED:
        op.execute(
            f"""UPDATE fhir.{shared} h SET labels = t.labels, patients = t.patients FROM fhir."{name}" t
            WHERE lower(h.type) = '{name}' AND h.id = t.id AND (t.labels IS NOT NULL OR t.patients IS NOT NULL)"""
        )


def create_tables() -> None:
    op.create_table(
        "access_grant",
        sa.Column("patient", bytewise(), nullable=False),
        sa.Column("organization", bytewise(), nullable=False),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("source", bytewise(), nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("begins", instant(), nullable=False),
        sa.Column("ends", instant(), nullable=False),
        sa.Column("types", ARRAY(sa.Text)),
        sa.Column("purposes", ARRAY(sa.Text)),
        sa.Column("resources", ARRAY(bytewise())),
        sa.Column("may_write", sa.Boolean, nullable=False),
        sa.Column("founds", sa.Boolean, nullable=False),
        sa.Column("overrides", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("patient", "organization", "basis", "source", "shard", name="access_grant_pkey"),
        comment="What basis an organization has for a patient, from which resource (`source`), and how far it goes. "
        "`shard` is the patient's.",
        schema="fhir",
    )
    op.create_index("access_grant_source", "access_grant", ["source"], schema="fhir")
    op.create_table(
        "consent_rule",
        sa.Column("patient", bytewise(), nullable=False),
        sa.Column("source", bytewise(), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("excepts", sa.BigInteger),
        sa.Column("organization", bytewise()),
        sa.Column("purposes", ARRAY(sa.Text)),
        sa.Column("types", ARRAY(sa.Text)),
        sa.Column("begins", instant(), nullable=False),
        sa.Column("ends", instant(), nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("patient", "source", "number", "shard", name="consent_rule_pkey"),
        comment="What a patient's consent denies; a row with `excepts` is an exception to the denial of that number. "
        "`shard` is the patient's.",
        schema="fhir",
    )
    op.create_index("consent_rule_source", "consent_rule", ["source"], schema="fhir")
    op.create_table(
        "supervision",
        sa.Column("lead", bytewise(), nullable=False),
        sa.Column("supervised", bytewise(), nullable=False),
        sa.Column("source", bytewise(), nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("begins", instant(), nullable=False),
        sa.Column("ends", instant(), nullable=False),
        sa.PrimaryKeyConstraint("lead", "supervised", "source", "shard", name="supervision_pkey"),
        comment="Whose patients an organization may read as the lead of a consortium. `shard` is the hash of the lead.",
        schema="fhir",
    )
    op.create_index("supervision_source", "supervision", ["source"], schema="fhir")
    op.create_table(
        "identity",
        sa.Column("key", bytewise(), nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("patient", bytewise(), nullable=False),
        sa.PrimaryKeyConstraint("key", "shard", name="identity_pkey"),
        comment="Which patient has a strong identifier: one person, one Patient. `shard` is the hash of the key.",
        schema="fhir",
    )
    op.create_index("identity_patient", "identity", ["patient"], schema="fhir")
    op.create_table(
        "registration_attempt",
        sa.Column("organization", bytewise(), nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("organization", "at", "request", "shard", name="registration_attempt_pkey"),
        comment="Statements of Patient/$register that were wrong, which are limited. `shard` is the hash of the organization.",
        schema="fhir",
    )


def downgrade() -> None:
    for name in ("registration_attempt", "identity", "supervision", "consent_rule", "access_grant"):
        op.drop_table(name, schema="fhir")
    for name in (*resource_tables(), *SHARED):
        op.execute(f'ALTER TABLE fhir."{name}" DROP author, DROP patients, DROP labels')
