"""`yiyang client add|list|disable|enable`: who may ask for tokens.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncpg import PostgresError
from sqlalchemy.exc import SQLAlchemyError

from gateway.registry import Client, Options
from services.kit.database import DatabaseUnavailable
from yiyang import registration
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import add_place, database, installation


def register(commands: Commands) -> None:
    client = add_command(commands, "client", run_list, "登记接入系统 · register systems that connect")
    acts = client.add_subparsers(dest="act", required=True, metavar="ACT")
    add = add_command(acts, "add", run_add, "登记一个系统 · register a system")
    add.add_argument("name", metavar="NAME", help="系统名，即 client_id · its name, which is its client_id")
    add.add_argument(
        "--organization", required=True, metavar="ID", help="所属机构 · id of its Organization, made if absent"
    )
    add.add_argument(
        "--scopes", required=True, help="权限 · e.g. 'system/*.cruds' or 'system/Observation.rs system/Patient.r'"
    )
    add.add_argument(
        "--jwks",
        metavar="FILE",
        help="公钥集，- 为标准输入；不给则生成密钥对 · public keys, - for stdin; made if absent",
    )
    _add_options(add)
    listing = add_command(acts, "list", run_list, "列出已登记的系统 · list them")
    places = [add, listing]
    for act, run, about in (
        ("disable", run_disable, "停用，5 秒内生效 · refuse it, with every token it holds, within 5 s"),
        ("enable", run_enable, "恢复 · let it ask for tokens again"),
    ):
        parser = add_command(acts, act, run, about)
        parser.add_argument("name", metavar="NAME")
        places.append(parser)
    for parser in places:
        add_place(parser)


def run_add(arguments: Namespace) -> int:
    home = installation(arguments)
    makes_keys = not (arguments.jwks or arguments.jwks_uri or arguments.redirect)
    with database(arguments) as url, told():
        jwks = _read_jwks(arguments.jwks) if arguments.jwks else None
        if makes_keys:
            jwks = home.client_keys(arguments.name).jwks
        facts = (arguments.name, arguments.organization, arguments.scopes, jwks, _options(arguments))
        client = asyncio.run(registration.register(url, *facts))
    print(f"已登记 · registered: {_line(client)}")
    if makes_keys:
        print(f"私钥 · private key: {home.client_file(client.client_id)}")
    return 0


def run_list(arguments: Namespace) -> int:
    async def read(url: str) -> list[Client]:
        async with registration.clients(url) as clients:
            return await clients.list()

    with database(arguments) as url, told():
        found = asyncio.run(read(url))
    for client in found:
        print(_line(client))
    return 0


def run_disable(arguments: Namespace) -> int:
    return _switch(arguments, "已停用 · disabled", is_disabled=True)


def run_enable(arguments: Namespace) -> int:
    return _switch(arguments, "已恢复 · enabled", is_disabled=False)


@contextmanager
def told() -> Iterator[None]:
    """What the registry refuses, in one line."""
    try:
        yield
    except ValueError as error:
        raise CommandError("登记内容有误", str(error)) from error
    except DatabaseUnavailable as error:
        raise CommandError(
            "数据库没有响应", "the database does not answer, or has no tables yet: yiyang migrate"
        ) from error
    except (SQLAlchemyError, PostgresError) as error:
        reason = str(error).partition("\n")[0]
        raise CommandError("数据库出错", f"the database refused, is it migrated? {reason}") from error


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--redirect",
        action="append",
        default=[],
        metavar="URI",
        help="人员登录的应用：回调地址，可多个 · an app that people use: where they are sent back to",
    )
    parser.add_argument("--jwks-uri", metavar="URL", help="公钥地址 · where its public keys are published")
    parser.add_argument(
        "--purpose", action="append", metavar="CODE", help="使用目的，默认 TREAT · purposes of use that it may state"
    )
    parser.add_argument("--rate", type=int, metavar="N", help="每秒请求上限 · requests a second that it may make")


def _options(arguments: Namespace) -> Options:
    return Options(
        jwks_uri=arguments.jwks_uri,
        redirect_uris=tuple(arguments.redirect),
        purposes=tuple(arguments.purpose or ("TREAT",)),
        rate=arguments.rate,
    )


def _switch(arguments: Namespace, done: str, *, is_disabled: bool) -> int:
    with database(arguments) as url, told():
        if not asyncio.run(registration.switch(url, arguments.name, is_disabled=is_disabled)):
            raise CommandError("没有这个系统", f"no client {arguments.name} is registered")
    print(f"{done}: {arguments.name}")
    return 0


def _read_jwks(source: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        document = json.loads(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CommandError("公钥文件无法读取", f"the key set cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise CommandError("公钥文件有误", 'expected a JWK Set {"keys": […]}')
    return document


def _line(client: Client) -> str:
    state = "停用 disabled" if client.is_disabled else "启用 active"
    return f"{client.client_id}  Organization/{client.organization}  {client.scopes}  {state}"
