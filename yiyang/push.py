"""`yiyang push FILE.ndjson`: records of care, each stored once, with a bar and a journal (docs/client.md)."""

import asyncio
import os
from argparse import Namespace
from pathlib import Path
from typing import Final

import msgspec

from gateway.keys import KeyPair
from yiyang.client import Client, ClientError, Credentials, JournalError, Pushed, push
from yiyang.client.pushing import AT_ONCE, SIZE, records_in
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import DATA_DIR, installation
from yiyang.progress import Progress
from yiyang.token import DEFAULT_BASE, fhir_base

_SHOWN: Final = 20  # refused records that are told; the journal has all


def register(commands: Commands) -> None:
    parser = add_command(
        commands, "push", run, "上报照护记录，可中断续传 · push records of care; goes on where it stopped"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="NDJSON，每行一条记录 · one resource a line")
    parser.add_argument("--client", required=True, metavar="NAME", help="已登记的系统 · the registered client")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="其私钥文件 · its key file, as `yiyang client add` wrote it"
    )
    parser.add_argument("--base", metavar="URL", help=f"服务地址，默认 {DEFAULT_BASE} · where the server runs")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="进度文件，默认 FILE.journal · how far it is")
    parser.add_argument(
        "--batch", type=int, default=SIZE, metavar="N", help=f"每批条数，默认 {SIZE} · records of a batch"
    )
    parser.add_argument("--at-once", type=int, default=AT_ONCE, metavar="N", help="同时几批 · batches at once")
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"数据目录，默认 {DATA_DIR} · where the keys lie")


def run(arguments: Namespace) -> int:
    if not arguments.file.is_file():
        raise CommandError("没有这个文件", f"no file {arguments.file}")
    base = fhir_base(arguments.base or os.environ.get("YIYANG_PUBLIC_BASE", DEFAULT_BASE))
    try:
        done = asyncio.run(_push(arguments, base, _credentials(arguments)))
    except ClientError as error:
        raise CommandError("上报中断，可重新运行以续传", f"stopped, run it again to go on: {error}") from error
    except JournalError as error:
        raise CommandError("进度文件属于其他文件", f"the journal is of another file: {error}") from error
    _tell(done)
    return 1 if done.refused else 0


async def _push(arguments: Namespace, base: str, credentials: Credentials) -> Pushed:
    progress = Progress(records_in(arguments.file), "上报 · pushing")
    async with Client(base, credentials) as client:
        return await push(
            client,
            arguments.file,
            arguments.journal,
            size=arguments.batch,
            at_once=arguments.at_once,
            tell=progress.advance,
        )


def _credentials(arguments: Namespace) -> Credentials:
    if arguments.key:
        try:
            keys = msgspec.json.decode(arguments.key.read_bytes(), type=KeyPair)
        except (OSError, msgspec.DecodeError) as error:
            raise CommandError("私钥文件无法读取", f"the key file cannot be read: {error}") from error
    elif (found := installation(arguments).find_client_keys(arguments.client)) is not None:
        keys = found
    else:
        raise CommandError("没有该系统的私钥", f"no key of {arguments.client} here; name it with --key")
    return Credentials(arguments.client, keys.kid, keys.private_key)


def _tell(done: Pushed) -> None:
    print(f"新存 · new {done.new:,}，此前已有 · known {done.known:,}，未接收 · refused {len(done.refused):,}")
    for line, receipt in [*done.refused.items()][:_SHOWN]:
        for issue in receipt.issues:
            print(f"  {line}: {issue.text} · {', '.join(issue.expression)} · {issue.diagnostics}")
