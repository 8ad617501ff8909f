"""The gateway's tables (schema `gateway`), made by migrations/versions/0002_gateway.py.

Each is keyed by one natural key of its own, so each can be distributed by it; nothing leans on a sequence or a trigger.
"""

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, Table, Text, false
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
    Column("jti", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("private_key", Text, nullable=False),  # PKCS #8, encrypted under a key derived from the internal key
    Column("public_jwk", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
