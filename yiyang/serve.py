"""`yiyang serve SERVICE`: one deployable, as a container runs it: https://uvicorn.dev/deployment/docker/"""

import os
from argparse import Namespace

from uvicorn import Server

from gateway.settings import GatewaySettings
from services.kit.settings import ServiceSettings
from yiyang.command import CommandError, Commands, add_command
from yiyang.composition import GATEWAY, SERVICE, SERVICES
from yiyang.settings import check_settings
from yiyang.up import add_listen, listen, server_config

CHOICES = (*SERVICES, GATEWAY)


def register(commands: Commands) -> None:
    parser = add_command(commands, "serve", run, "只启动一个服务（容器用）· run one deployable, as a container does")
    parser.add_argument("service", choices=CHOICES, nargs="?", default=os.environ.get("SERVICE"), metavar="SERVICE")
    add_listen(parser)
    parser.set_defaults(host="0.0.0.0")  # noqa: S104 - inside a container; whoever reaches it still needs a signed Caller


def run(arguments: Namespace) -> int:
    if arguments.service not in CHOICES:
        raise CommandError("请指明服务", f"name one of {', '.join(CHOICES)}, or set SERVICE")
    os.environ[SERVICE] = arguments.service
    check_settings(GatewaySettings if arguments.service == GATEWAY else ServiceSettings)
    with listen(arguments.host, arguments.port) as door:
        server = Server(server_config("yiyang.composition:deployable"))
        server.run(sockets=[door])
    return 0 if server.started else 1
