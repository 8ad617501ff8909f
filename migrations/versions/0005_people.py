"""People at the gateway: accounts, logins and what follows from them; keys that are published before they sign; rates.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "gateway"
TABLES = ("rate", "refresh_token", "code", "browser", "attempt", "account")


def instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def words(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.ARRAY(sa.Text), nullable=False, server_default=sa.text(default) if default else None)


def upgrade() -> None:
    for column in (
        sa.Column("jwks_uri", sa.Text),
        words("redirect_uris", "'{}'"),
        words("purposes", "'{TREAT}'"),
        sa.Column("rate", sa.Integer),
    ):
        op.add_column("client", column, schema=SCHEMA)
    op.add_column("signing_key", instant("active_from", nullable=True), schema=SCHEMA)
    op.execute("UPDATE gateway.signing_key SET active_from = created_at")
    op.alter_column("signing_key", "active_from", nullable=False, schema=SCHEMA)
    op.add_column("signing_key", instant("retired_at", nullable=True), schema=SCHEMA)
    op.create_table(
        "account",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        words("roles"),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("totp", sa.Text),
        sa.Column("totp_step", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("is_disabled", sa.Boolean, nullable=False, server_default=sa.false()),
        instant("tokens_after", nullable=True),
        instant("created_at"),
        schema=SCHEMA,
    )
    op.create_table(
        "attempt",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        instant("failed_at"),
        instant("locked_until"),
        schema=SCHEMA,
    )
    op.create_index("attempt_failed_at", "attempt", ["failed_at"], schema=SCHEMA)
    op.create_table(
        "browser",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        words("methods"),
        instant("began_at"),
        instant("used_at"),
        instant("expires_at"),
        schema=SCHEMA,
    )
    op.create_index("browser_expires_at", "browser", ["expires_at"], schema=SCHEMA)
    op.create_index("browser_account", "browser", ["account"], schema=SCHEMA)
    op.create_table(
        "code",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("login", JSONB, nullable=False),
        sa.Column("challenge", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        instant("expires_at"),
        instant("used_at", nullable=True),
        schema=SCHEMA,
    )
    op.create_index("code_expires_at", "code", ["expires_at"], schema=SCHEMA)
    op.create_table(
        "refresh_token",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("family", sa.Text, nullable=False),
        sa.Column("login", JSONB, nullable=False),
        instant("expires_at"),
        instant("used_at", nullable=True),
        schema=SCHEMA,
    )
    op.create_index("refresh_token_family", "refresh_token", ["family"], schema=SCHEMA)
    op.create_index("refresh_token_expires_at", "refresh_token", ["expires_at"], schema=SCHEMA)
    op.create_table(
        "rate",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("tokens", sa.Double, nullable=False),
        sa.Column("given", sa.Integer, nullable=False),
        instant("at"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)
    for column in ("retired_at", "active_from"):
        op.drop_column("signing_key", column, schema=SCHEMA)
    for column in ("rate", "purposes", "redirect_uris", "jwks_uri"):
        op.drop_column("client", column, schema=SCHEMA)
