"""`yiyang token CLIENT`: an access token for scripts, printed alone on standard output.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

import asyncio
import os
import time
from argparse import Namespace
from typing import Final

import httpx

from gateway.backend_client import TokenError, fetch_token
from gateway.keys import KeyPair
from gateway.registry import Client
from yiyang import registration
from yiyang.clients import told
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import add_place, database, installation

DEFAULT_BASE: Final = "http://127.0.0.1:8000/fhir"
WAIT_SECONDS: Final = 5
ALL: Final = "system/*.cruds"  # the gateway narrows it to what is registered


def register(commands: Commands) -> None:
    parser = add_command(commands, "token", run, "为脚本取访问令牌 · print an access token")
    parser.add_argument("client", metavar="CLIENT")
    parser.add_argument("--base", metavar="URL", help=f"服务地址，默认 {DEFAULT_BASE} · where the server runs")
    parser.add_argument("--scope", default=ALL, help="权限，默认全部 · default: all that is registered")
    add_place(parser)


def run(arguments: Namespace) -> int:
    base = fhir_base(arguments.base or os.environ.get("YIYANG_PUBLIC_BASE", DEFAULT_BASE))
    keys = installation(arguments).find_client_keys(arguments.client)
    token = asyncio.run(_from_server(arguments, base, keys)) if keys else None
    print(token or _from_database(arguments, base))
    return 0


def fhir_base(url: str) -> str:
    """The FHIR base of a server that was named by its base or by its root."""
    trimmed = url.rstrip("/")
    return trimmed if trimmed.endswith("/fhir") else f"{trimmed}/fhir"


async def _from_server(arguments: Namespace, base: str, keys: KeyPair) -> str | None:
    """None when no server answers there, or another installation's."""
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as http:
        try:
            answer = await fetch_token(
                http, base, arguments.client, keys.kid, keys.private_key, arguments.scope, time.time()
            )
        except (httpx.HTTPError, ValueError):
            return None
        except TokenError as error:
            if arguments.base:
                raise CommandError("未能取得令牌", f"the server gave no token: {error}") from error
            return None
    return str(answer["access_token"])


def _from_database(arguments: Namespace, base: str) -> str:
    async def issue(url: str) -> str:
        async with registration.clients(url) as clients:
            client = _usable(arguments.client, await clients.get(arguments.client))
        return await registration.issue_token(url, installation(arguments).internal_key(), base, client)

    with database(arguments) as url, told():
        return asyncio.run(issue(url))


def _usable(name: str, client: Client | None) -> Client:
    if client is None:
        raise CommandError("没有这个系统", f"no client {name} is registered")
    if client.is_app:
        raise CommandError("人员在该应用登录，它没有自己的令牌", f"people log in at {name}; it has no token of its own")
    if client.is_disabled:
        raise CommandError("该系统已停用", f"the client {name} is disabled")
    return client
