"""`yiyang keys rotate-identifiers`: bring what is encrypted at rest under the first key of YIYANG_IDENTIFIER_KEY (docs/adr/0021)."""

import asyncio
from argparse import Namespace

import asyncpg
from pydantic import ValidationError

from services.fhir.store.rotation import rotate
from services.fhir.store.vault import Vault, vault_of
from services.kit.settings import IdentifierSettings
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import add_place, database


def register(commands: Commands) -> None:
    keys = add_command(commands, "keys", run_rotate, "静态加密密钥 · keys of what is encrypted at rest")
    acts = keys.add_subparsers(dest="act", required=True, metavar="ACT")
    about = "以首个密钥重新加密证件号码，可中断后重来 · re-encrypt identifiers under the first key; may be interrupted"
    add_place(add_command(acts, "rotate-identifiers", run_rotate, about))


def run_rotate(arguments: Namespace) -> int:
    try:
        vault = vault_of(IdentifierSettings())
    except ValidationError as error:
        raise CommandError("密钥过短", "YIYANG_IDENTIFIER_KEY needs 32 bytes or more") from error
    if vault is None:
        raise CommandError("未配置密钥", "set YIYANG_IDENTIFIER_KEY: the new key, a comma, the old one")
    with database(arguments) as url:
        count = asyncio.run(_rotate(url, vault))
    print(f"已重新加密 {count} 行 · {count} rows are under the first key now")
    return 0


async def _rotate(url: str, vault: Vault) -> int:
    connection = await asyncpg.connect(url)
    try:
        return sum([count async for _, count in rotate(connection, vault)])
    finally:
        await connection.close()
