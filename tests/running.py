"""A whole `yiyang up` as its own process group, with its embedded PostgreSQL, for tests that kill parts of it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

READY_SECONDS: Final = 60.0


class RunningServer:
    """`yiyang up` on a free port; `client` is a client with every scope, registered beside the running server."""

    def __init__(self, data: Path, workers: int) -> None:
        self.data = data
        self.workers = workers
        self.port = _free_port()
        self.base = f"http://127.0.0.1:{self.port}/fhir"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        command = [sys.executable, "-m", "yiyang", "up", "--port", str(self.port), "--workers", str(self.workers)]
        environment = {**os.environ, "YIYANG_PUBLIC_BASE": self.base}
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        self._process = subprocess.Popen([*command, "--data", str(self.data)], env=environment, stdout=log, stderr=log)
        await self.ready()

    async def ready(self) -> None:
        async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient() as http:
            while not await _answers(http, self.base.replace("/fhir", "/readyz")):
                await asyncio.sleep(0.2)

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(sign)
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def restart(self) -> None:
        """Start again, when it is not running."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        if self._process is None:
            await self.start()
        await self.ready()

    def command(self, *arguments: str) -> str:
        """What `yiyang …` prints, beside the running server."""
        done = subprocess.run(
            [sys.executable, "-m", "yiyang", *arguments, "--data", str(self.data)],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def descendants(self) -> dict[int, str]:
        """Every process of the group by pid, with its command line."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (parent := _parent(entry)) is not None:
                children.setdefault(parent, []).append(int(entry.name))
        found, waiting = [], [self.pid]
        while waiting:
            found += (below := children.get(waiting.pop(), []))
            waiting += below
        return {pid: _command_line(pid) for pid in found}


@asynccontextmanager
async def running(data: Path, workers: int = 2) -> AsyncIterator[RunningServer]:
    server = RunningServer(data, workers)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url, timeout=2)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port


def _parent(process: Path) -> int | None:
    try:
        status = (process / "stat").read_text()
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[1])


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
