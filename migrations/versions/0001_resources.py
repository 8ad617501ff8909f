"""One table per resource type, and those that all types share (docs/adr/0003, docs/adr/0005).

Frozen: what `services/fhir/store/tables` said when this revision was made. A test compares the migrated database with today's tables.
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, PrimaryKeyConstraint, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "fhir"

# table, date column of the patient's timeline (None: not bound to one patient, "": no date), date columns (* = may repeat)
TABLES: tuple[tuple[str, str | None, str], ...] = (
    ("account", None, "period"),
    ("activitydefinition", None, "date effective"),
    ("adverseevent", "date", "date"),
    ("allergyintolerance", "date", "date last_date onset*"),
    ("appointment", None, "date"),
    ("appointmentresponse", "", ""),
    ("auditevent", None, "date"),
    ("basic", "created", "created"),
    ("binary", None, ""),
    ("biologicallyderivedproduct", None, ""),
    ("bodystructure", "", ""),
    ("bundle", None, "timestamp"),
    ("capabilitystatement", None, "date"),
    ("careplan", "date", "activity_date* date"),
    ("careteam", "date", "date"),
    ("catalogentry", None, ""),
    ("chargeitem", "entered_date", "entered_date occurrence"),
    ("chargeitemdefinition", None, "date effective"),
    ("claim", "created", "created"),
    ("claimresponse", "created", "created payment_date"),
    ("clinicalimpression", "date", "date"),
    ("codesystem", None, "date"),
    ("communication", "received", "received sent"),
    ("communicationrequest", "authored", "authored occurrence"),
    ("compartmentdefinition", None, "date"),
    ("composition", "date", "date period*"),
    ("conceptmap", None, "date"),
    ("condition", "recorded_date", "abatement_date onset_date recorded_date"),
    ("consent", "date", "date period"),
    ("contract", None, "issued"),
    ("coverage", "", ""),
    ("coverageeligibilityrequest", "created", "created"),
    ("coverageeligibilityresponse", "created", "created"),
    ("detectedissue", "identified", "identified"),
    ("device", None, ""),
    ("devicedefinition", None, ""),
    ("devicemetric", None, ""),
    ("devicerequest", "authored_on", "authored_on event_date"),
    ("deviceusestatement", "", ""),
    ("diagnosticreport", "date", "date issued"),
    ("documentmanifest", "created", "created"),
    ("documentreference", "date", "date period"),
    ("effectevidencesynthesis", None, "date effective"),
    ("encounter", "date", "date location_period*"),
    ("endpoint", None, ""),
    ("enrollmentrequest", "", ""),
    ("enrollmentresponse", None, ""),
    ("episodeofcare", "date", "date"),
    ("eventdefinition", None, "date effective"),
    ("evidence", None, "date effective"),
    ("evidencevariable", None, "date effective"),
    ("examplescenario", None, "date"),
    ("explanationofbenefit", "created", "created"),
    ("familymemberhistory", "date", "date"),
    ("flag", "date", "date"),
    ("goal", "start_date", "start_date target_date*"),
    ("graphdefinition", None, "date"),
    ("group", None, ""),
    ("guidanceresponse", None, ""),
    ("healthcareservice", None, ""),
    ("imagingstudy", "started", "started"),
    ("immunization", "date", "date reaction_date*"),
    ("immunizationevaluation", "date", "date"),
    ("immunizationrecommendation", "date", "date"),
    ("implementationguide", None, "date"),
    ("insuranceplan", None, ""),
    ("invoice", "date", "date"),
    ("library", None, "date effective"),
    ("linkage", None, ""),
    ("list", "date", "date"),
    ("location", None, ""),
    ("measure", None, "date effective"),
    ("measurereport", "date", "date period"),
    ("media", "created", "created"),
    ("medication", None, "expiration_date"),
    ("medicationadministration", "effective_time", "effective_time"),
    ("medicationdispense", "whenhandedover", "whenhandedover whenprepared"),
    ("medicationknowledge", None, ""),
    ("medicationrequest", "date", "authoredon date*"),
    ("medicationstatement", "effective", "effective"),
    ("medicinalproduct", None, ""),
    ("medicinalproductauthorization", None, ""),
    ("medicinalproductcontraindication", None, ""),
    ("medicinalproductindication", None, ""),
    ("medicinalproductingredient", None, ""),
    ("medicinalproductinteraction", None, ""),
    ("medicinalproductmanufactured", None, ""),
    ("medicinalproductpackaged", None, ""),
    ("medicinalproductpharmaceutical", None, ""),
    ("medicinalproductundesirableeffect", None, ""),
    ("messagedefinition", None, "date"),
    ("messageheader", None, ""),
    ("molecularsequence", "", ""),
    ("namingsystem", None, "date period*"),
    ("nutritionorder", "datetime", "datetime"),
    ("observation", "date", "date value_date"),
    ("observationdefinition", None, ""),
    ("operationdefinition", None, "date"),
    ("operationoutcome", None, ""),
    ("organization", None, ""),
    ("organizationaffiliation", None, "date"),
    ("patient", None, "birthdate death_date"),
    ("paymentnotice", None, "created"),
    ("paymentreconciliation", None, "created"),
    ("person", None, "birthdate"),
    ("plandefinition", None, "date effective"),
    ("practitioner", None, ""),
    ("practitionerrole", None, "date"),
    ("procedure", "date", "date"),
    ("provenance", None, "recorded when"),
    ("questionnaire", None, "date effective"),
    ("questionnaireresponse", "authored", "authored"),
    ("relatedperson", "birthdate", "birthdate"),
    ("requestgroup", "authored", "authored"),
    ("researchdefinition", None, "date effective"),
    ("researchelementdefinition", None, "date effective"),
    ("researchstudy", None, "date"),
    ("researchsubject", "date", "date"),
    ("riskassessment", "date", "date"),
    ("riskevidencesynthesis", None, "date effective"),
    ("schedule", None, "date"),
    ("searchparameter", None, "date"),
    ("servicerequest", "authored", "authored occurrence"),
    ("slot", None, "start"),
    ("specimen", "collected", "collected"),
    ("specimendefinition", None, ""),
    ("structuredefinition", None, "date"),
    ("structuremap", None, "date"),
    ("subscription", None, ""),
    ("substance", None, "expiry*"),
    ("substancenucleicacid", None, ""),
    ("substancepolymer", None, ""),
    ("substanceprotein", None, ""),
    ("substancereferenceinformation", None, ""),
    ("substancesourcematerial", None, ""),
    ("substancespecification", None, ""),
    ("supplydelivery", "", ""),
    ("supplyrequest", "date", "date"),
    ("task", None, "authored_on modified period"),
    ("terminologycapabilities", None, "date"),
    ("testreport", None, "issued"),
    ("testscript", None, "date"),
    ("valueset", None, "date"),
    ("verificationresult", None, ""),
    ("visionprescription", "datewritten", "datewritten"),
)


def bytewise() -> Text:
    return Text(collation="C")


def instant() -> DateTime:
    return DateTime(timezone=True)


def upgrade() -> None:
    op.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for name, timeline, dates in TABLES:
        create_resource_table(name, timeline, dates.split())
    create_shared_tables()


def create_resource_table(name: str, timeline: str | None, dates: list[str]) -> None:
    columns = [date.rstrip("*") for date in dates]
    op.create_table(
        name,
        Column("id", bytewise(), nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("updated", instant(), nullable=False),
        Column("method", Text, nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("body", Text),
        Column("patient", bytewise()),
        Column("tokens", ARRAY(bytewise()), nullable=False),
        Column("strings", ARRAY(bytewise()), nullable=False),
        Column("words", ARRAY(bytewise()), nullable=False),
        Column("quantities", JSONB),
        Column("composites", JSONB),
        Column("contained", JSONB),
        *(Column(f"{column}_{end}", instant()) for column in columns for end in ("lo", "hi")),
        *(Column(f"{date.rstrip('*')}_each", ARRAY(TSTZRANGE)) for date in dates if date.endswith("*")),
        PrimaryKeyConstraint("id", "shard", name=f"{name}_pkey"),
        schema=SCHEMA,
    )
    op.create_index(f"{name}_updated", name, ["updated", "id"], schema=SCHEMA)
    op.create_index(f"{name}_tokens", name, ["tokens"], schema=SCHEMA, postgresql_using="gin")
    lexemes = [text("array_to_tsvector(strings)"), text("array_to_tsvector(words)")]
    op.create_index(f"{name}_strings", name, lexemes, schema=SCHEMA, postgresql_using="gin")
    if timeline is not None:
        keys = [
            text("patient"),
            text("shard"),
            *([text(f'"{timeline}_lo" DESC NULLS LAST')] if timeline else []),
            text("id"),
        ]
        op.create_index(f"{name}_patient", name, keys, schema=SCHEMA, postgresql_where=text("NOT deleted"))


def create_shared_tables() -> None:
    op.create_table(
        "history",
        Column("type", Text, nullable=False),
        Column("id", bytewise(), nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("updated", instant(), nullable=False),
        Column("method", Text, nullable=False),
        Column("body", Text),
        Column("patient", bytewise()),
        PrimaryKeyConstraint("type", "id", "version", "shard", name="history_pkey"),
        comment="Versions that a later one replaced.",
        schema=SCHEMA,
    )
    op.create_table(
        "change",
        Column("shard", BigInteger, nullable=False),
        Column("type", Text, nullable=False),
        Column("id", bytewise(), nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("at", instant(), nullable=False),
        Column("method", Text, nullable=False),
        Column("patient", bytewise()),
        comment="One row per committed version: the transactional outbox, and the order of type and system history.",
        schema=SCHEMA,
    )
    op.create_index("change_at", "change", ["at", "type", "id", "version"], schema=SCHEMA)
    op.create_index("change_type_at", "change", ["type", "at", "id", "version"], schema=SCHEMA)
    op.create_table(
        "audit",
        Column("at", instant(), nullable=False),
        Column("interaction", Text, nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("client", Text, nullable=False),
        Column("organization", Text),
        Column("practitioner", Text),
        Column("purpose", Text),
        Column("request", Text, nullable=False),
        Column("jti", Text),
        Column("type", Text),
        Column("id", bytewise()),
        Column("version", BigInteger),
        Column("patient", bytewise()),
        Column("query", Text),
        Column("shard", BigInteger, nullable=False),
        comment="One row per access to personal data, durable before the answer leaves. Append-only, so its one index is a BRIN.",
        schema=SCHEMA,
    )
    op.create_index("audit_at", "audit", ["at"], schema=SCHEMA, postgresql_using="brin")
    op.create_table(
        "unique_claim",
        Column("key", bytewise(), nullable=False),
        Column("shard", BigInteger, nullable=False),
        PrimaryKeyConstraint("key", "shard", name="unique_claim_pkey"),
        comment="What may exist once across all shards: a patient-bound resource's id that a client chose. `shard` is the hash of the key.",
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
