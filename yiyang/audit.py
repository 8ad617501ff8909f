"""`yiyang audit prune`: delete audit rows whose time is over; what remains can still be verified (docs/adr/0016)."""

import asyncio
from argparse import Namespace

import asyncpg
from pydantic import ValidationError

from services.fhir.audit.chain import Sealing
from services.fhir.store.audit_retention import prune
from services.kit.clock import SystemClock
from services.kit.settings import AuditSettings
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import add_place, database
from yiyang.verify_audit import seal_of


def register(commands: Commands) -> None:
    audit = add_command(commands, "audit", run_prune, "审计记录 · audit rows")
    acts = audit.add_subparsers(dest="act", required=True, metavar="ACT")
    add_place(add_command(acts, "prune", run_prune, "删除已过保存期的记录 · delete the rows whose time is over"))


def run_prune(arguments: Namespace) -> int:
    try:
        settings = AuditSettings()
    except ValidationError as error:
        raise CommandError("保存期过短", "logs are kept 6 months, consents and emergencies 36, at least") from error
    with database(arguments) as url:
        count = asyncio.run(_prune(url, settings, seal_of(arguments)))
    print(f"已删除 {count} 条 · {count} rows deleted")
    return 0


async def _prune(url: str, settings: AuditSettings, by: Sealing) -> int:
    connection = await asyncpg.connect(url)
    try:
        return await prune(connection, SystemClock().now(), settings.audit_months, settings.audit_lasting_months, by)
    except ValueError as error:
        raise CommandError("保存期过短", str(error)) from error
    finally:
        await connection.close()
