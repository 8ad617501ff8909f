"""Audit rows tell of several patients, and are read as AuditEvents: a view beside those that clients recorded.

https://profiles.ihe.net/ITI/BALP/ - the tokens are those that services/fhir/search/index.py makes of services/fhir/balp.py
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
REQUEST = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
CLIENT = "https://yiyang.example/fhir/sid/client"
KINDS = {
    "Read": ("R", ("read", "vread", "history-instance", "history-type", "history-system")),
    "Create": ("C", ("create",)),
    "Update": ("U", ("update", "patch")),
    "Delete": ("D", ("delete",)),
    "Query": ("E", ("search-type", "search-system")),
}
ALL = tuple(name for _, names in KINDS.values() for name in names)
IS_ABOUT = "(a.patient IS NOT NULL OR a.patients IS NOT NULL)"
HAS_DATA = "(a.type IS NOT NULL AND a.id IS NOT NULL AND NOT (a.type = 'Patient' AND a.id IS NOT DISTINCT FROM a.patient))"
HAS_QUERY = "(a.query IS NOT NULL OR (a.type IS NOT NULL AND a.id IS NULL))"


def names(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def kind() -> str:
    cases = " ".join(f"WHEN a.interaction IN ({names(found)}) THEN '{kind}'" for kind, (_, found) in KINDS.items())
    return f"CASE {cases} ELSE 'Query' END"


def action() -> str:
    cases = " ".join(f"WHEN a.interaction IN ({names(found)}) THEN '{code}'" for code, found in KINDS.values())
    return f"CASE {cases} ELSE 'E' END"


def coded(parameter: str, system: str, code: str, when: str = "true") -> list[str]:
    forms = (f"'{parameter}=' || {code}", f"'{parameter}={system}|' || {code}", f"'{parameter}={system}|'")
    return list(forms) if when == "true" else [f"CASE WHEN {when} THEN {form} END" for form in forms]


def tokens() -> str:
    interaction = f"CASE WHEN a.interaction IN ({names(ALL)}) THEN a.interaction ELSE 'operation' END"
    outcome = "CASE WHEN a.status < 400 THEN '0' WHEN a.status < 500 THEN '4' ELSE '8' END"
    person = "CASE WHEN a.practitioner LIKE '%/%' THEN a.practitioner ELSE 'Practitioner/' || a.practitioner END"
    found = [
        f"'_profile={BALP}' || CASE WHEN {IS_ABOUT} THEN 'Patient' ELSE '' END || {kind()}",
        *coded("type", TYPES, "'rest'"),
        *coded("subtype", INTERACTIONS, interaction),
        *(f"'{form}' || {action()}" for form in ("action=", "action=|")),
        *(f"'{form}' || {outcome}" for form in ("outcome=", "outcome=|")),
        "'agent:present'",
        "'source:present'",
        "'entity:present'",
        *coded("agent:identifier", CLIENT, "a.client"),
        "'agent=Organization/' || a.organization",
        f"'agent=' || {person}",
        "'policy=urn:jti:' || nullif(a.jti, '')",
        "'site=yiyang'",
        "'site=|yiyang'",
        "'entity:identifier=' || a.request",
        "'entity:identifier=|' || a.request",
        "'entity=Patient/' || a.patient",
        "'patient=Patient/' || a.patient",
        "CASE WHEN a.practitioner LIKE 'Patient/%' THEN 'patient=' || a.practitioner END",
        f"CASE WHEN {HAS_DATA} THEN 'entity=' || a.type || '/' || a.id END",
        f"CASE WHEN {HAS_DATA} AND a.type = 'Patient' THEN 'patient=Patient/' || a.id END",
        *coded("entity-type", REQUEST, "'XrequestId'"),
        *coded("entity-type", ENTITY_TYPE, "'1'", IS_ABOUT),
        *coded("entity-role", ROLE, "'1'", IS_ABOUT),
        *coded("entity-type", ENTITY_TYPE, "'2'", f"{HAS_DATA} OR {HAS_QUERY}"),
        *coded("entity-role", ROLE, "'4'", HAS_DATA),
        *coded("entity-role", ROLE, "'24'", HAS_QUERY),
    ]
    one = f"array_remove(ARRAY[{', '.join(found)}], NULL)"
    many = "(SELECT array_agg(k || p) FROM unnest(a.patients) p, unnest(ARRAY['entity=Patient/', 'patient=Patient/']) k)"
    return f'(CASE WHEN a.patients IS NULL THEN {one} ELSE {one} || {many} END)::text[] COLLATE "C"'


def upgrade() -> None:
    op.add_column("audit", sa.Column("patients", ARRAY(sa.Text(collation="C"))), schema="fhir")
    op.create_index(
        "audit_patients",
        "audit",
        ["patients"],
        schema="fhir",
        postgresql_using="gin",
        postgresql_where=sa.text("patients IS NOT NULL"),
    )
    view = f"""CREATE VIEW fhir.auditevents AS
    SELECT false AS stored, a.patients AS about, a.event AS id, a.shard, 1::bigint AS version, a.at AS updated, 'POST' AS method, false AS deleted,
      json_build_object('audit', row_to_json(a))::text AS body, a.patient, a.organization AS author,
      NULL::text[] AS patients, NULL::text[] AS labels, {tokens()} AS tokens,
      ARRAY[E'type:text\\x1frestful operation']::text[] COLLATE "C" AS strings, '{{}}'::text[] COLLATE "C" AS words,
      NULL::jsonb AS quantities, NULL::jsonb AS composites, NULL::jsonb AS contained,
      a.at AS date_lo, a.at + interval '1 millisecond' AS date_hi
    FROM fhir.audit a
    UNION ALL
    SELECT true, NULL::text[], t.id, t.shard, t.version, t.updated, t.method, t.deleted, t.body, t.patient, t.author, t.patients, t.labels, t.tokens,
      t.strings, t.words, t.quantities, t.composites, t.contained, t.date_lo, t.date_hi
    FROM fhir.auditevent t"""
    op.get_bind().exec_driver_sql(view)


def downgrade() -> None:
    op.execute("DROP VIEW fhir.auditevents")
    op.drop_index("audit_patients", "audit", schema="fhir")
    op.drop_column("audit", "patients", schema="fhir")
