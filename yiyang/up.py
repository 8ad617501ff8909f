"""`yiyang up`: PostgreSQL, the gateway and every service in one process group: https://uvicorn.dev/deployment/"""

import os
import socket
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from typing import Final

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gateway.settings import GatewaySettings
from services.kit.settings import ServiceSettings
from yiyang.command import CommandError, Commands, add_command
from yiyang.composition import SUPERVISOR
from yiyang.one_write import OneWrite
from yiyang.place import add_place, configured_database, installation, start, upgrade
from yiyang.postgres import Cluster, ClusterError
from yiyang.settings import check_settings

OWN_SECONDS: Final = 10
PORT_SECONDS: Final = 5
READY: Final = "医养已就绪 · Yiyang is ready:"
BACKLOG: Final = 2048
WATCH_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 60
KEEP_ALIVE_SECONDS: Final = 65  # longer than the usual proxy in front keeps its side
MAX_DEFAULT_WORKERS: Final = 4
POOL_SIZE: Final = 8  # of records, per worker; the other three pools have a quarter of it each (yiyang/composition.py)
CONNECTIONS: Final = 64  # of all workers, within PostgreSQL's default of 100


def register(commands: Commands) -> None:
    parser = add_command(commands, "up", run, "启动网关与全部服务 · run the gateway and every service")
    add_listen(parser)
    parser.add_argument("--workers", type=int, default=default_workers(), help="工作进程数 · worker processes")
    add_place(parser)


def add_listen(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="监听地址 · address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="监听端口，0 为任意 · port to listen on, 0 for any")


def run(arguments: Namespace) -> int:
    with ExitStack() as stack:
        door = stack.enter_context(listen(arguments.host, arguments.port))
        cluster = None
        if (url := configured_database(arguments)) is None:
            cluster = Cluster(installation(arguments).folder)
            stack.callback(cluster.stop)
            start(cluster, OWN_SECONDS)
            url = cluster.url
        upgrade(url)
        _tell_workers(arguments, url, door.getsockname()[1])
        check_settings(ServiceSettings, GatewaySettings)
        stopping = threading.Event()
        watcher = threading.Thread(target=_watch, args=(cluster, door.getsockname(), stopping), daemon=True)
        watcher.start()
        stack.callback(watcher.join)
        stack.callback(stopping.set)
        return _supervise(arguments.workers, door)


def listen(host: str, port: int) -> socket.socket:
    """Take the port. The workers of a predecessor that was killed may hold it for a moment."""
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return _bound((host, port))
        except OSError as error:
            if time.monotonic() > deadline:
                raise CommandError(f"无法监听 {host}:{port}", f"cannot listen on {host}:{port}: {error}") from error
            time.sleep(0.1)


def _bound(address: tuple[str, int]) -> socket.socket:
    """A socket on a port that nobody else has, and that the sockets of all workers may share."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as alone:  # SO_REUSEPORT alone would let a second `yiyang up` share the port unseen
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
        port = alone.getsockname()[1]
    door = another_door(family, (address[0], port))
    door.listen(BACKLOG)  # from here on the port is seen to be taken; who connects early waits for the first worker
    return door


def another_door(family: int, address: tuple[str, int]) -> socket.socket:
    door = socket.socket(family)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    door.bind(address)
    return door


class Workers(Multiprocess):
    """Each worker has a socket of its own, so that the kernel spreads connections over them.

    On one shared socket the worker that wakes first accepts all that wait: 16 connections lay 16 : 0 or 13 : 3 on two workers, now 9 : 7.
    """

    def __init__(self, config: Config, door: socket.socket) -> None:
        address = door.getsockname()[:2]
        self._doors = [door, *(another_door(door.family, address) for _ in range(1, config.workers))]
        super().__init__(config, [door])

    @property
    def sockets(self) -> list[socket.socket]:
        """The door of the worker that is made next: a new one, or the successor of one that died."""
        lives = [process.process.is_alive() for process in self.processes]
        place = lives.index(False) if False in lives else len(lives)
        return [self._doors[place % len(self._doors)]]

    @sockets.setter
    def sockets(self, _all: list[socket.socket]) -> None:
        pass

    def keep_subprocess_alive(self) -> None:
        """The worker alone holds its end of the pipe: one that dies while it is asked whether it lives is replaced at once."""
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()


def server_config(factory: str, workers: int = 1) -> Config:
    """Only what a request needs: no access log (the audit is the record), no header that tells about the server."""
    return Config(
        factory,
        factory=True,
        workers=workers,
        loop="uvloop",
        http=OneWrite,
        ws="none",
        lifespan="on",
        log_config=None,  # services.kit.logging: one JSON line per decision, never the message of an error
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=20,
        timeout_worker_healthcheck=STUCK_SECONDS,
    )


def default_workers() -> int:
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, MAX_DEFAULT_WORKERS)


def _supervise(workers: int, door: socket.socket) -> int:
    """Run the workers until a signal ends them; a worker that dies is replaced."""
    supervisor = Workers(server_config("yiyang.composition:app", workers), door)
    supervisor.run()
    return 1 if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes) else 0


def _tell_workers(arguments: Namespace, url: str, port: int) -> None:
    """Settings reach the workers by their environment, which only this user reads."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(arguments.host, arguments.host)  # noqa: S104 - compared, not bound
    os.environ.setdefault("YIYANG_PUBLIC_BASE", f"http://{host}:{port}/fhir")
    os.environ.setdefault("YIYANG_POOL_SIZE", str(max(1, min(POOL_SIZE, CONNECTIONS * 4 // (7 * arguments.workers)))))
    os.environ["YIYANG_DATABASE_URL"] = url
    os.environ["YIYANG_AUDIT_KEY"] = installation(arguments).audit_key()
    os.environ["YIYANG_INTERNAL_KEY"] = installation(arguments).internal_key()
    os.environ[SUPERVISOR] = str(os.getpid())


def _watch(cluster: Cluster | None, address: tuple[str, int], stopping: threading.Event) -> None:
    """Say when the first worker answers, and start PostgreSQL again whenever it died."""
    is_announced = False
    while not stopping.wait(0.1 if not is_announced else WATCH_SECONDS):
        if not is_announced and answers(address[0], address[1]):
            print(f"{READY} {os.environ['YIYANG_PUBLIC_BASE']}  （Ctrl-C 停止 · to stop）", flush=True)
            is_announced = True
        if cluster is not None:
            try:
                cluster.ensure()
            except ClusterError as error:
                print(f"PostgreSQL: {error}", file=sys.stderr, flush=True)


def answers(host: str, port: int) -> bool:
    """Whether a server there says that it is ready."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
