"""The database's own guard: each service's role writes only the tables of the types that it owns (docs/adr/0018).

A commit across owners takes the role of transactions for itself; the rows of the audit are changed and deleted by none of them.
https://www.postgresql.org/docs/current/sql-set-role.html
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.kit.database import role_of

TRANSACTION: Final = role_of("transaction")
GATEWAY: Final = role_of("gateway")
WIDEN: Final = f"SET LOCAL ROLE {TRANSACTION}"

# What every commit writes beside the resources, whoever owns them.
_APPENDED: Final = ("history", "change", "audit")
_KEPT: Final = (
    "unique_claim",
    "access_grant",
    "consent_rule",
    "supervision",
    "identity",
    "reindex",
    "hold",
    "timer",
    "idempotency",
    "outbox_reader",
)
# What the owner of Patient and AuditEvent does beside its requests.
_OF_RECORDS: Final = (
    "job", "job_part", "job_file", "registration_attempt", "subscriber", "subscription_event", "v2_message",
)  # fmt: skip
_CHAIN: Final = ("audit_block",)


def statements(owners: Mapping[str, Sequence[str]]) -> list[str]:
    """From services and the types that they own to all that their roles may; idempotent."""
    services = {name: role_of(name) for name in owners}
    roles = (*services.values(), TRANSACTION, GATEWAY)
    everyone = ", ".join(services.values())
    return [
        *(_made(role) for role in roles),
        f"REVOKE ALL ON ALL TABLES IN SCHEMA fhir, gateway FROM {', '.join(roles)}",
        f"GRANT USAGE ON SCHEMA fhir TO {', '.join(roles)}",
        f"GRANT USAGE ON SCHEMA gateway TO {GATEWAY}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA fhir TO {everyone}",
        f"GRANT INSERT ON {_tables(_APPENDED)} TO {everyone}",
        f"GRANT UPDATE (patients, labels) ON {_tables(('history', 'change'))} TO {everyone}",
        f"GRANT INSERT, UPDATE, DELETE ON {_tables(_KEPT)} TO {everyone}",
        *(f"GRANT INSERT, UPDATE, DELETE ON {_tables(owners[name])} TO {role}" for name, role in services.items()),
        f"GRANT INSERT, UPDATE, DELETE ON {_tables(_OF_RECORDS)} TO {role_of('records')}",
        f"GRANT INSERT ON {_tables(_CHAIN)} TO {role_of('records')}",
        f"GRANT USAGE ON SCHEMA gateway TO {role_of('records')}",
        f"GRANT SELECT (client_id, is_disabled) ON gateway.client TO {role_of('records')}",  # who is told nothing more
        f"GRANT INSERT ON fhir.audit TO {GATEWAY}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA gateway TO {GATEWAY}",
        f"GRANT {everyone} TO {TRANSACTION}",
    ]


def apply(execute: Any, owners: Mapping[str, Sequence[str]]) -> None:
    """Say it all in the transaction of `execute`, unless it was said before and still holds.

    `execute` runs one statement and gives the first value of its first row.
    """
    said = statements(owners)
    seal = hashlib.sha256("\n".join(said).encode()).hexdigest()
    if execute("SELECT obj_description('fhir'::regnamespace, 'pg_namespace')") == seal and _holds(execute):
        return
    for statement in said:
        execute(statement)
    execute(f"COMMENT ON SCHEMA fhir IS '{seal}'")


def _holds(execute: Any) -> bool:
    """A dump that was restored elsewhere brings no roles, and so no grants."""
    known = execute(f"SELECT count(*) FROM pg_roles WHERE rolname IN ('{TRANSACTION}', '{GATEWAY}')")
    return bool(
        known == 2  # noqa: PLR2004
        and execute(f"SELECT has_table_privilege('{TRANSACTION}', 'fhir.patient', 'INSERT')")
        and execute(f"SELECT has_table_privilege('{GATEWAY}', 'fhir.audit', 'INSERT')")
        and execute(f"SELECT pg_has_role(current_user, '{TRANSACTION}', 'MEMBER')")
    )


def _made(role: str) -> str:
    """Roles belong to the whole cluster: another database may have made them. Who migrates may take them, and so may its services."""
    return f"""DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
      IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN EXECUTE format('GRANT {role} TO %I', current_user); END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"""


def _tables(names: Sequence[str]) -> str:
    return ", ".join(f'fhir."{name.lower()}"' for name in names)
