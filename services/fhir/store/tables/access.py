"""Who sees what, and who is who (docs/adr/0020, docs/adr/0032)."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from services.fhir.store.tables.columns import BYTEWISE, INSTANT, metadata

access_grant: Final = Table(
    "access_grant",
    metadata,
    Column("patient", BYTEWISE, nullable=False),
    Column("organization", BYTEWISE, nullable=False),
    Column("basis", Text, nullable=False),
    Column("source", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("begins", INSTANT, nullable=False),
    Column("ends", INSTANT, nullable=False),
    Column("types", ARRAY(Text)),
    Column("purposes", ARRAY(Text)),
    Column("resources", ARRAY(BYTEWISE)),
    Column("may_write", Boolean, nullable=False),
    Column("founds", Boolean, nullable=False),
    Column("overrides", Boolean, nullable=False),
    PrimaryKeyConstraint("patient", "organization", "basis", "source", "shard", name="access_grant_pkey"),
    comment="What basis an organization has for a patient, from which resource (`source`), and how far it goes. `shard` is the patient's.",
)
Index("access_grant_source", access_grant.c.source)
Index("access_grant_organization", access_grant.c.organization, access_grant.c.patient)

consent_rule: Final = Table(
    "consent_rule",
    metadata,
    Column("patient", BYTEWISE, nullable=False),
    Column("source", BYTEWISE, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("excepts", BigInteger),
    Column("organization", BYTEWISE),
    Column("purposes", ARRAY(Text)),
    Column("types", ARRAY(Text)),
    Column("begins", INSTANT, nullable=False),
    Column("ends", INSTANT, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    PrimaryKeyConstraint("patient", "source", "number", "shard", name="consent_rule_pkey"),
    comment="What a patient's consent denies; a row with `excepts` is an exception to the denial of that number. `shard` is the patient's.",
)
Index("consent_rule_source", consent_rule.c.source)

supervision: Final = Table(
    "supervision",
    metadata,
    Column("lead", BYTEWISE, nullable=False),
    Column("supervised", BYTEWISE, nullable=False),
    Column("source", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("begins", INSTANT, nullable=False),
    Column("ends", INSTANT, nullable=False),
    PrimaryKeyConstraint("lead", "supervised", "source", "shard", name="supervision_pkey"),
    comment="Whose patients an organization may read as the lead of a consortium. `shard` is the hash of the lead.",
)
Index("supervision_source", supervision.c.source)

identity: Final = Table(
    "identity",
    metadata,
    Column("key", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("patient", BYTEWISE, nullable=False),
    PrimaryKeyConstraint("key", "shard", name="identity_pkey"),
    comment="Which patient has a strong identifier: one person, one Patient. `shard` is the hash of the key.",
)
Index("identity_patient", identity.c.patient)

registration_attempt: Final = Table(
    "registration_attempt",
    metadata,
    Column("organization", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("request", Text, nullable=False),
    PrimaryKeyConstraint("organization", "at", "request", "shard", name="registration_attempt_pkey"),
    comment="Statements of Patient/$register that were wrong, which are limited. `shard` is the hash of the organization.",
)
