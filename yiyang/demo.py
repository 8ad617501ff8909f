"""`yiyang demo`: plays the story against a server of its own, or against a running one (docs/operations.md)."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from yiyang import registration
from yiyang.clients import told
from yiyang.command import CommandError, Commands, add_command
from yiyang.installation import Installation
from yiyang.operator import find_operator, register_through
from yiyang.place import DATA_DIR, add_place, configured_database, database, installation
from yiyang.population.county import County
from yiyang.population.loading import SCOPES, Loader
from yiyang.population.settling import settle
from yiyang.process import dying_with_me
from yiyang.story.acts import play
from yiyang.story.cast import NAMES, ROLES, Cast
from yiyang.story.stage import TIMEOUT_SECONDS, Credentials, Stage, StoryError
from yiyang.token import fhir_base
from yiyang.up import READY

PORT: Final = 8000
START_SECONDS: Final = 120
ELDERS: Final = 500
COUNTY_SECONDS: Final = 30.0
"""Within which the county comes in: the whole demo is to last less than a minute, so on a slow machine fewer elders do."""
OWN_DATA: Final = DATA_DIR / "demo"

Register = Callable[[str, str, str, dict[str, Any]], None]


def register(commands: Commands) -> None:
    parser = add_command(commands, "demo", run, "演示：三家机构照护一位老人 · play the story of one elder")
    parser.add_argument("--once", action="store_true", help="演示完即退出 · end after the story; else the server stays")
    parser.add_argument("--base", metavar="URL", help="对正在运行的服务演示 · play against a running server")
    parser.add_argument(
        "--operator",
        metavar="COMMAND",
        help="在该服务处登记系统的命令 · how `yiyang client add` is run where that server runs, "
        "e.g. 'docker compose exec -T gateway yiyang' (found by itself beside a compose file)",
    )
    parser.add_argument(
        "--elders",
        type=int,
        default=ELDERS,
        metavar="N",
        help=f"先载入的虚构县的老年人数，默认 {ELDERS}，0 为不载入 · elders of the county that is loaded first, 0 for none",
    )
    add_place(parser)


def run(arguments: Namespace) -> int:
    if arguments.base:
        base = fhir_base(arguments.base)
        with registering(arguments) as add:
            return _play(base, installation(arguments), add, arguments.elders)
    return _play_on_own_server(arguments)


def _play_on_own_server(arguments: Namespace) -> int:
    arguments.data = arguments.data or OWN_DATA
    with _own_server(arguments) as (server, base):
        with registering(arguments) as add:
            code = _play(base, installation(arguments), add, arguments.elders)
        if code == 0 and not arguments.once:
            print(f"\n服务仍在运行 · the server stays: {base}  （Ctrl-C 停止 · to stop）", flush=True)
            with suppress(KeyboardInterrupt):
                return server.wait()
    return code


def _play(base: str, home: Installation, add: Register, elders: int) -> int:
    """0 when every step was answered as the story expects."""
    started = time.monotonic()
    print(f"医养 Yiyang · {base}", flush=True)
    try:
        steps = asyncio.run(_perform(base, home, add, elders))
    except StoryError as error:
        print(f"\n演示中断 · the story ended early: {error}", file=sys.stderr)
        return 1
    print(f"\n全部 {steps} 步如期 · all {steps} steps as expected, {time.monotonic() - started:.1f} s")
    return 0


async def _perform(base: str, home: Installation, add: Register, elders: int) -> int:
    limits = httpx.Timeout(TIMEOUT_SECONDS)
    async with httpx.AsyncClient(timeout=limits, trust_env=False) as http:
        stage = Stage(http, base)
        stage.chapter("接入：服务能力与令牌", "connecting: capabilities and tokens")
        capabilities = await stage.get("metadata", "能力声明 · CapabilityStatement")
        stage.check(capabilities["fhirVersion"] == "4.0.1", "FHIR 4.0.1")
        configuration = await stage.get(".well-known/smart-configuration", "令牌地址 · where tokens come from")
        if elders > 0:
            stage.chapter("虚构的县", "a county that does not exist")
            stage.note(await _settle(http, base, home, add, elders))
        players = {}
        for role, organization, scopes in ROLES:
            credentials = await asyncio.to_thread(credentials_of, home, add, role, organization, scopes)
            players[role] = await stage.client(NAMES[role], credentials, scopes, configuration["token_endpoint"])
        await play(stage, Cast(**players), datetime.now(UTC))
        return stage.steps


async def _settle(http: httpx.AsyncClient, base: str, home: Installation, add: Register, elders: int) -> str:
    """The county around the story, unless it is there from the time before."""
    loader = Loader(http, base, lambda name: credentials_of(home, add, name, name, SCOPES))
    came = await settle(loader, County(elders), datetime.now(UTC), COUNTY_SECONDS)
    return f"载入 {came} 位老人 · {came} elders came in" if came else "已在 · is there already"


def credentials_of(home: Installation, add: Register, role: str, organization: str, scopes: str) -> Credentials:
    """Keys of this machine, registered under a name that they make unique: no other installation's client is met."""
    keys = home.client_keys(f"demo-{role}")
    client_id = f"demo-{role}-{keys.kid[:8]}"
    add(client_id, organization, scopes, keys.jwks)
    return Credentials(client_id, keys)


@contextmanager
def registering(arguments: Namespace) -> Iterator[Register]:
    """How clients come to be known to that server: through its database, or by its operator's command line."""
    operator = arguments.operator.split() if arguments.operator else None
    if operator is None and arguments.base and not (arguments.data or configured_database(arguments)):
        operator = find_operator()
    if operator is not None:
        command = operator
        yield lambda *client: register_through(command, *client)
        return
    with database(arguments) as url:

        def add(name: str, organization: str, scopes: str, jwks: dict[str, Any]) -> None:
            with told():
                asyncio.run(registration.register(url, name, organization, scopes, jwks))

        yield add


@contextmanager
def _own_server(arguments: Namespace) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """`yiyang up` as a process of its own, with none of the settings of another server that may be set here."""
    command = [sys.executable, "-m", "yiyang", "up", "--port", str(_free_port(PORT)), "--data", str(arguments.data)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("YIYANG_")}
    if arguments.database:
        command += ["--database", arguments.database]
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**clean, "YIYANG_LOG_LEVEL": "warning"},
        preexec_fn=dying_with_me(signal.SIGTERM),  # noqa: PLW1509 - one prctl call, it takes no lock
    )
    try:
        yield server, _base_when_ready(server)
    finally:
        server.terminate()
        server.wait()


def _base_when_ready(server: "subprocess.Popen[str]") -> str:
    """What it says when it is ready. Only its own word counts: another server may answer on a port that was free before."""
    give_up = threading.Timer(START_SECONDS, server.kill)
    give_up.start()
    try:
        for line in server.stdout or ():
            if line.startswith(READY):
                return line.removeprefix(READY).split()[0]
    finally:
        give_up.cancel()
    raise CommandError("服务未能启动", "the server did not start")


def _free_port(preferred: int) -> int:
    """The preferred port, or 0 for any other when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return 0
    return preferred
