"""`yiyang key list|rotate|retire`: the keys that sign tokens, exchanged without a refused request.

https://www.rfc-editor.org/rfc/rfc7517
"""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from gateway.registry import SigningKeys
from gateway.registry.signing_keys import PUBLISHED_BEFORE
from services.kit.caller import split_key
from services.kit.clock import SystemClock
from services.kit.database import Database
from yiyang.clients import told
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import add_place, database, installation
from yiyang.registration import remember

_MINUTES: Final = int(PUBLISHED_BEFORE.total_seconds()) // 60

Act = Callable[[Database, SigningKeys, Namespace], Awaitable[None]]


def register(commands: Commands) -> None:
    key = add_command(commands, "key", run_list, "管理令牌签名密钥 · keys that sign tokens")
    acts = key.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = add_command(acts, "list", run_list, "列出 · list them")
    rotate = add_command(acts, "rotate", run_rotate, "更换，不影响请求 · make the next one; no request is refused")
    rotate.add_argument(
        "--after",
        type=int,
        default=_MINUTES,
        metavar="MINUTES",
        help=f"公布后多久启用，默认 {_MINUTES} · when it begins to sign",
    )
    retire = add_command(acts, "retire", run_retire, "作废（密钥泄露时）· refuse all that it signed, within 5 s")
    retire.add_argument("kid", metavar="KID")
    for parser in (listing, rotate, retire):
        add_place(parser)


def run_list(arguments: Namespace) -> int:
    return _run(arguments, _list)


def run_rotate(arguments: Namespace) -> int:
    if arguments.after < 0:
        raise CommandError("时间不能为负", "--after is 0 minutes or more")
    return _run(arguments, _rotate)


def run_retire(arguments: Namespace) -> int:
    return _run(arguments, _retire)


async def _list(_database: Database, keys: SigningKeys, _arguments: Namespace) -> None:
    for key in await keys.all():
        state = "作废 retired" if key.retired_at else "签名中 signing from"
        print(f"{key.kid}  {state} {(key.retired_at or key.active_from).isoformat(timespec='seconds')}")


async def _rotate(opened: Database, keys: SigningKeys, arguments: Namespace) -> None:
    kid = await keys.rotate(timedelta(minutes=arguments.after))
    await remember(opened, "key-rotate", kid)
    print(f"已公布，{arguments.after} 分钟后启用 · published, signs in {arguments.after} minutes: {kid}")


async def _retire(opened: Database, keys: SigningKeys, arguments: Namespace) -> None:
    if not await keys.retire(arguments.kid):
        raise CommandError("没有这个密钥", f"no key {arguments.kid}")
    await remember(opened, "key-retire", arguments.kid)
    print(f"已作废 · retired: {arguments.kid}")


def _run(arguments: Namespace, act: Act) -> int:
    async def run(url: str) -> None:
        opened = Database(url, pool_size=1)
        try:
            key = split_key(installation(arguments).internal_key().encode())[0]
            await act(opened, SigningKeys(opened.engine, key, SystemClock()), arguments)
        finally:
            await opened.close()

    with database(arguments) as url, told():
        asyncio.run(run(url))
    return 0
