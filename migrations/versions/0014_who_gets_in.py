"""Logins, tokens and acts of administrators are found by the codes of DICOM, as services/fhir/balp.py tells them.

https://dicom.nema.org/medical/dicom/current/output/html/part16.html#sect_CID_400
"""

from alembic import op

revision = "0014"
down_revision = "0013"
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
# DICOM PS3.16, CIDs 400 and 401: what is about who gets in, and who may
DCM = "http://dicom.nema.org/resources/ontology/DCM"
LOGIN = ("login", "authorize", "token", "authenticate")
LOGOUT = ("logout", "revoke")
NODE = ("introspect",)
RIGHTS = ("client-add", "client-disable", "client-enable")
LOOKS = ("client-list", "client-get")
AUTHENTICATION = (*LOGIN, *LOGOUT, *NODE)
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


def security(authentication: str, alert: str, query: str) -> str:
    return (
        f"CASE WHEN a.interaction IN ({names(AUTHENTICATION)}) THEN '{authentication}' "
        f"WHEN a.interaction IN ({names(RIGHTS)}) THEN '{alert}' WHEN a.interaction IN ({names(LOOKS)}) THEN '{query}' END"
    )


def subtype() -> str:
    return (
        f"CASE WHEN a.interaction IN ({names(LOGIN)}) THEN '110122' WHEN a.interaction IN ({names(LOGOUT)}) THEN '110123' "
        f"WHEN a.interaction IN ({names(NODE)}) THEN '110126' WHEN a.interaction IN ({names(RIGHTS)}) THEN '110137' "
        "WHEN a.interaction = 'break-glass' THEN '110127' END"
    )


def of(parameter: str, system: str, code: str) -> list[str]:
    """The forms of a coding whose code may be null, and with it all of them."""
    return [f"'{parameter}=' || {code}", f"'{parameter}={system}|' || {code}", f"'{parameter}={system}|' || left({code}, 0)"]


def tokens() -> str:
    kind_of = security("110114", "110113", "110112")
    is_rest = f"({kind_of}) IS NULL"
    interaction = f"CASE WHEN a.interaction IN ({names(ALL)}) THEN a.interaction ELSE 'operation' END"
    outcome = "CASE WHEN a.status < 400 THEN '0' WHEN a.status < 500 THEN '4' ELSE '8' END"
    person = "CASE WHEN a.practitioner LIKE '%/%' THEN a.practitioner ELSE 'Practitioner/' || a.practitioner END"
    found = [
        f"CASE WHEN {is_rest} THEN '_profile={BALP}' || CASE WHEN {IS_ABOUT} THEN 'Patient' ELSE '' END || {kind()} END",
        *coded("type", TYPES, "'rest'", is_rest),
        *coded("subtype", INTERACTIONS, interaction, is_rest),
        *of("type", DCM, f"({kind_of})"),
        *of("subtype", DCM, f"({subtype()})"),
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
    said = security("user authentication", "security alert", "query")
    text = f"E'type:text\\x1f' || coalesce({said}, 'restful operation')"
    view = f"""CREATE OR REPLACE VIEW fhir.auditevents AS
    SELECT false AS stored, a.patients AS about, a.event AS id, a.shard, 1::bigint AS version, a.at AS updated, 'POST' AS method, false AS deleted,
      json_build_object('audit', row_to_json(a))::text AS body, a.patient, a.organization AS author,
      NULL::text[] AS patients, NULL::text[] AS labels, {tokens()} AS tokens,
      ARRAY[{text}]::text[] COLLATE "C" AS strings, '{{}}'::text[] COLLATE "C" AS words,
      NULL::jsonb AS quantities, NULL::jsonb AS composites, NULL::jsonb AS contained,
      a.at AS date_lo, a.at + interval '1 millisecond' AS date_hi
    FROM fhir.audit a
    UNION ALL
    SELECT true, NULL::text[], t.id, t.shard, t.version, t.updated, t.method, t.deleted, t.body, t.patient, t.author, t.patients, t.labels, t.tokens,
      t.strings, t.words, t.quantities, t.composites, t.contained, t.date_lo, t.date_hi
    FROM fhir.auditevent t"""
    op.get_bind().exec_driver_sql(view)


def downgrade() -> None:
    """The tables are the same; the view of before is one that finds fewer events."""
