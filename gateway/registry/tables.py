"""The gateway's tables (schema `gateway`), made by migrations/versions/0002_gateway.py and 0005_people.py.

Each is keyed by one natural key of its own, so each can be distributed by it; nothing leans on a sequence or a trigger. What a browser or
an app holds (cookie, code, refresh token) stands here as its SHA-256 only.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="gateway")

client = Table(
    "client",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("organization", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("jwks", JSONB, nullable=False),
    Column("is_disabled", Boolean, nullable=False, server_default=false()),
    Column("tokens_after", DateTime(timezone=True)),  # tokens issued up to here are void
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("jwks_uri", Text),
    Column("redirect_uris", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # of an app that people use
    Column("purposes", ARRAY(Text), nullable=False, server_default=text("'{TREAT}'")),
    Column("rate", Integer),  # requests a second; none means that of the settings
)

jti = Table(
    "jti",
    metadata,
    Column("iss", Text, primary_key=True),
    Column("jti", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("jti_expires_at", "expires_at"),
)

revoked_token = Table(
    "revoked_token",
    metadata,
    Column("jti", Text, primary_key=True),  # of one token, or the family of all that followed from one login
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("private_key", Text, nullable=False),  # PKCS #8, encrypted under a key derived from the internal key
    Column("public_jwk", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column(
        "active_from", DateTime(timezone=True), nullable=False
    ),  # published before, so that it is known when it signs
    Column("retired_at", DateTime(timezone=True)),  # whatever it signed is refused
)

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # what the person types
    Column("organization", Text, nullable=False),
    Column("person", Text, nullable=False),  # Practitioner/1
    Column("roles", ARRAY(Text), nullable=False),
    Column("password", Text, nullable=False),  # argon2id
    Column("must_change", Boolean, nullable=False),
    Column("totp", Text),  # the secret, sealed under a key derived from the internal key
    Column("totp_step", BigInteger, nullable=False, server_default=text("0")),  # the last one used
    Column("is_disabled", Boolean, nullable=False, server_default=false()),
    Column("tokens_after", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("name", Text, primary_key=True),  # SHA-256; of names that nobody has, too
    Column("failures", Integer, nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False),
    Column("locked_until", DateTime(timezone=True), nullable=False),
    Index("attempt_failed_at", "failed_at"),
)

browser = Table(
    "browser",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("methods", ARRAY(Text), nullable=False),
    Column("began_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("browser_expires_at", "expires_at"),
    Index("browser_account", "account"),
)

code = Table(
    "code",
    metadata,
    Column("id", Text, primary_key=True),
    Column("login", JSONB, nullable=False),
    Column("challenge", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Index("code_expires_at", "expires_at"),
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("family", Text, nullable=False),
    Column("login", JSONB, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Index("refresh_token_family", "family"),
    Index("refresh_token_expires_at", "expires_at"),
)

rate = Table(
    "rate",
    metadata,
    Column("key", Text, primary_key=True),
    Column("tokens", Double, nullable=False),
    Column("given", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
