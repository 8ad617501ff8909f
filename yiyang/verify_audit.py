"""`yiyang verify-audit`: whether the audit is whole, or which is the first row that is missing or was changed (docs/adr/0016)."""

import asyncio
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final

import asyncpg

from services.fhir.audit.chain import Sealing, sealing
from services.fhir.audit.verification import Broken, Head, Verified, verify
from services.kit.caller import split_key
from services.kit.settings import AuditSettings
from yiyang.command import CommandError, Commands, add_command
from yiyang.installation import replace_private
from yiyang.place import add_place, database, installation

HEAD: Final = "audit.head"  # what this command saw last


def register(commands: Commands) -> None:
    parser = add_command(commands, "verify-audit", run, "核验审计链 · verify the chain over the audit")
    parser.add_argument(
        "--head",
        type=read_head,
        metavar="NUMBER:HASH",
        help=f"以前见过的链头，默认为数据目录中的 {HEAD} · a head that was seen before: shows an end that was cut off",
    )
    add_place(parser)


def run(arguments: Namespace) -> int:
    kept = installation(arguments).folder / HEAD
    seen = arguments.head or (read_head(kept.read_text(encoding="ascii")) if kept.exists() else None)
    with database(arguments) as url:
        verified = asyncio.run(_verify(url, seal_of(arguments), seen))
    if verified.head is not None and kept.parent.is_dir():  # a container has no data folder
        _keep(kept, verified.head)
    told = f"{verified.blocks} blocks, {verified.rows} rows, {verified.pruned} pruned, {verified.foreign} blocks of another key"
    print(f"审计链完整 · the audit is whole: {told}")
    if verified.head is not None:
        print(f"链头（请另行保存）· head, to be kept elsewhere: {verified.head.number}:{verified.head.hash.hex()}")
    return 0


def seal_of(arguments: Namespace) -> Sealing:
    return sealing(split_key(installation(arguments).audit_key().encode())[0], AuditSettings().audit_hash)


def read_head(text: str) -> Head:
    number, _, hashed = text.strip().partition(":")
    try:
        return Head(int(number), bytes.fromhex(hashed))
    except ValueError as error:
        raise ArgumentTypeError("NUMBER:HASH") from error


async def _verify(url: str, by: Sealing, seen: Head | None) -> Verified:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await verify(connection, by, seen)
    except Broken as broken:
        raise CommandError("审计链不完整", f"the audit is not whole: {broken}") from broken
    finally:
        await connection.close()


def _keep(path: Path, head: Head) -> None:
    replace_private(path, f"{head.number}:{head.hash.hex()}")
