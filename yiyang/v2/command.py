"""`yiyang v2 listen|messages|replay`: HL7 v2 over MLLP, the receipts, and refused messages once more: docs/v2.md"""

import asyncio
import signal
import ssl
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.keys import KeyPair
from services.kit.logging import configure
from yiyang.clients import told
from yiyang.command import CommandError, Commands, add_command
from yiyang.place import add_place, database, installation
from yiyang.token import DEFAULT_BASE, fhir_base
from yiyang.v2 import replay
from yiyang.v2.bridge import Bridge, Limits
from yiyang.v2.door import Door
from yiyang.v2.senders import Sender, read_senders

PORT: Final = 2575  # IANA: hl7
READY: Final = "MLLP 已就绪 · MLLP is ready:"


def register(commands: Commands) -> None:
    v2 = add_command(commands, "v2", run_messages, "老系统 HL7 v2 · old systems that speak HL7 v2")
    acts = v2.add_subparsers(dest="act", required=True, metavar="ACT")
    _add_listen(
        add_command(acts, "listen", run_listen, "以 MLLP 接收，转给网关 · take messages by MLLP, for the gateway")
    )
    messages = add_command(
        acts, "messages", run_messages, "列出回执 · list the receipts, of refused messages unless --all"
    )
    messages.add_argument("--all", action="store_true", help="含已接收的 · accepted ones too")
    again = add_command(acts, "replay", run_replay, "重放被拒的消息 · process refused messages once more")
    again.add_argument(
        "key", nargs="*", metavar="KEY", help="回执编号的开头，默认全部 · beginnings of receipts' keys, default all"
    )
    for parser in (messages, again):
        parser.add_argument("--client", metavar="CLIENT", help="仅此系统 · of this client alone")
        parser.add_argument("--days", type=int, default=30, help="最近若干天 · of the last days")
        parser.add_argument("--most", type=int, default=1000, help="最多条数 · at most so many")
        add_place(parser)


def _add_listen(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="监听地址 · address to listen on")
    parser.add_argument("--port", type=int, default=PORT, help="监听端口，0 为任意 · port to listen on, 0 for any")
    parser.add_argument(
        "--senders",
        type=Path,
        required=True,
        metavar="FILE",
        help="发送方与客户端对照 · who is which client: docs/v2.md",
    )
    parser.add_argument(
        "--base", default=DEFAULT_BASE, metavar="URL", help=f"服务地址，默认 {DEFAULT_BASE} · where the server runs"
    )
    parser.add_argument(
        "--connections", type=int, default=Limits().connections, help="最多连接数 · connections at most"
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=Limits().idle_seconds,
        metavar="SECONDS",
        help="多久无完整消息即断开 · without a whole message for so long a connection ends",
    )
    parser.add_argument(
        "--tls-certificate", type=Path, metavar="FILE", help="TLS 证书与私钥（PEM） · certificate and key"
    )
    parser.add_argument(
        "--tls-clients", type=Path, metavar="FILE", help="签发客户端证书的 CA · CA of the senders' certificates"
    )
    add_place(parser)


def run_listen(arguments: Namespace) -> int:
    configure()
    senders = read_senders(arguments.senders)
    keys = {each.client: _keys(each, arguments) for each in senders}
    door = Door(fhir_base(arguments.base), keys.__getitem__)
    limits = Limits(arguments.connections, arguments.idle)
    return asyncio.run(_listen(arguments, Bridge(senders, door, limits), door))


def _keys(sender: Sender, arguments: Namespace) -> KeyPair:
    found = installation(arguments).find_client_keys(sender.client)
    if found is None:
        file = installation(arguments).client_file(sender.client)
        raise CommandError(
            "缺少该系统的私钥", f"no private key of {sender.client}: {file} (yiyang client add makes it)"
        )
    return found


async def _listen(arguments: Namespace, bridge: Bridge, door: Door) -> int:
    try:
        server = await bridge.listen(arguments.host, arguments.port, _tls(arguments))
    except OSError as error:
        raise CommandError(f"无法监听 {arguments.host}:{arguments.port}", f"cannot listen: {error}") from error
    stopping = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopping.set)
    print(f"{READY} {arguments.host}:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await stopping.wait()
        server.close()
    await door.close()
    return 0


def _tls(arguments: Namespace) -> ssl.SSLContext | None:
    """With a CA, a sender without a certificate of it does not get in."""
    if arguments.tls_certificate is None:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=arguments.tls_clients)
        context.load_cert_chain(arguments.tls_certificate)
    except (OSError, ssl.SSLError) as error:
        raise CommandError("TLS 证书无法读取", f"the certificates cannot be read: {error}") from error
    if arguments.tls_clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def run_messages(arguments: Namespace) -> int:
    with database(arguments) as url, told():
        for each in asyncio.run(replay.receipts(url, _asked(arguments, accepted=arguments.all))):
            print(_line(each))
    return 0


def run_replay(arguments: Namespace) -> int:
    with database(arguments) as url, told():
        done = asyncio.run(replay.replay(url, _asked(arguments, accepted=False), arguments.key))
    for key, code in done:
        print(f"{key[:12]}  {code}")
    accepted = sum(code == "AA" for _, code in done)
    print(f"重放 {len(done)} 条，已接收 {accepted} 条 · {len(done)} replayed, {accepted} accepted")
    return 0 if accepted == len(done) else 1


def _asked(arguments: Namespace, *, accepted: bool) -> replay.Asked:
    since = datetime.now(UTC) - timedelta(days=arguments.days)
    return replay.Asked(arguments.client, since, arguments.most, accepted)


def _line(row: Any) -> str:
    faults = "; ".join(each["diagnostics"] for each in msgspec.json.decode(row["faults"]))
    when = row["received"].astimezone().isoformat(timespec="seconds")
    return f"{row['key'][:12]}  {when}  {row['client']}  {row['event']}  {row['control']}  {row['code']}  ×{row['attempts']}  {faults}"
