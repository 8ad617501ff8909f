"""`yiyang account add|list|reset|disable|enable`: the people who log in, with the roles of docs/glossary.md.

A first password is made here and told once; the person changes it at the first login. https://www.rfc-editor.org/rfc/rfc6238
"""

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from gateway import totp
from gateway.login.credentials import SECRETS
from gateway.passwords import hash_password, new_password
from gateway.registry import Account, Accounts, Attempts
from gateway.roles import ROLES
from gateway.seal import Seal
from services.kit.caller import split_key
from services.kit.clock import SystemClock
from services.kit.database import Database
from yiyang.clients import told
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import add_place, database, installation
from yiyang.registration import remember

ISSUER: Final = "Yiyang"


def register(commands: Commands) -> None:
    account = add_command(commands, "account", run_list, "管理人员账号 · people who log in")
    acts = account.add_subparsers(dest="act", required=True, metavar="ACT")
    add = add_command(acts, "add", run_add, "新增人员 · add a person")
    add.add_argument("--organization", required=True, metavar="ID", help="所属机构 · id of the Organization")
    add.add_argument("--person", required=True, metavar="REFERENCE", help="人员资源 · Practitioner/…")
    roles = ", ".join(f"{code} {role.name}" for code, role in ROLES.items() if role.context != "system")
    add.add_argument("--role", required=True, action="append", metavar="ROLE", help=f"角色，可多个 · {roles}")
    reset = add_command(acts, "reset", run_reset, "重置密码并解锁 · another first password, and no lock")
    reset.add_argument(
        "--totp", action="store_true", help="同时重置验证码密钥 · another secret of one-time passwords too"
    )
    disable = add_command(acts, "disable", run_disable, "停用，5 秒内生效 · refuse the person within 5 s")
    enable = add_command(acts, "enable", run_enable, "恢复 · let the person log in again")
    for parser in (add, reset, disable, enable):
        parser.add_argument("name", metavar="NAME", help="登录名 · what the person types")
    for parser in (add, reset, disable, enable, add_command(acts, "list", run_list, "列出 · list them")):
        add_place(parser)


def run_add(arguments: Namespace) -> int:
    return _run(arguments, _add)


def run_list(arguments: Namespace) -> int:
    return _run(arguments, _list)


def run_reset(arguments: Namespace) -> int:
    return _run(arguments, _reset)


def run_disable(arguments: Namespace) -> int:
    return _run(arguments, _disable)


def run_enable(arguments: Namespace) -> int:
    return _run(arguments, _enable)


class _Place:
    """The stores of one database, for one command."""

    def __init__(self, opened: Database, internal_key: str) -> None:
        self.database = opened
        self.accounts = Accounts(opened.engine, SystemClock())
        self.attempts = Attempts(opened.engine, SystemClock())
        self.seal = Seal(split_key(internal_key.encode()), SECRETS)

    async def known(self, name: str) -> Account:
        account = await self.accounts.find(name)
        if account is None:
            raise CommandError("没有这个账号", f"no account {name} is registered")
        return account

    async def give_totp(self, account: Account) -> None:
        secret = totp.new_secret()
        await self.accounts.set_totp(account.id, self.seal.close(secret, account.id))
        print(f"验证码密钥（扫码或手工输入）· one-time passwords: {totp.key_uri(secret, ISSUER, account.name)}")


async def _add(place: _Place, arguments: Namespace) -> None:
    password = new_password()
    account = await place.accounts.add(
        arguments.name, arguments.organization, arguments.person, arguments.role, await hash_password(password)
    )
    print(f"已登记 · registered: {_line(account)}")
    print(f"初始密码 · first password: {password}")
    if account.needs_totp:
        await place.give_totp(account)
    await remember(place.database, "account-add", account.id)


async def _list(place: _Place, _arguments: Namespace) -> None:
    for account in await place.accounts.list():
        print(_line(account))


async def _reset(place: _Place, arguments: Namespace) -> None:
    account, password = await place.known(arguments.name), new_password()
    await place.accounts.set_password(account.id, await hash_password(password), must_change=True)
    await place.attempts.forget(account.name)
    print(f"初始密码 · first password: {password}")
    if arguments.totp:
        await place.give_totp(account)
    await remember(place.database, "account-reset", account.id)


async def _disable(place: _Place, arguments: Namespace) -> None:
    account = await place.known(arguments.name)
    await place.accounts.disable(account.id)
    await remember(place.database, "account-disable", account.id)
    print(f"已停用 · disabled: {account.name}")


async def _enable(place: _Place, arguments: Namespace) -> None:
    account = await place.known(arguments.name)
    await place.accounts.enable(account.id)
    await remember(place.database, "account-enable", account.id)
    print(f"已恢复 · enabled: {account.name}")


def _run(arguments: Namespace, act: Any) -> int:
    async def run(url: str) -> None:
        async with _place(url, installation(arguments).internal_key()) as place:
            await act(place, arguments)

    with database(arguments) as url, told():
        asyncio.run(run(url))
    return 0


@asynccontextmanager
async def _place(url: str, internal_key: str) -> AsyncIterator[_Place]:
    opened = Database(url, pool_size=1)
    try:
        yield _Place(opened, internal_key)
    finally:
        await opened.close()


def _line(account: Account) -> str:
    state = "停用 disabled" if account.is_disabled else "启用 active"
    roles = " ".join(f"{role} {ROLES[role].name}" for role in account.roles)
    return f"{account.name}  {account.person}  Organization/{account.organization}  {roles}  {state}"
