"""Runs `yiyang` as a user does: a process of its own, on a free port and a data folder of its own."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests import evidence
from yiyang.up import READY, answers

START_SECONDS = 60
WATCH = "watch"
YIYANG = (sys.executable, "-m", "yiyang")


class Server:
    """`yiyang up`, which a test may kill and start again."""

    def __init__(self, data_dir: Path, workers: int = 1) -> None:
        self.data_dir = data_dir
        self._command = (*YIYANG, "up", "--data", str(data_dir), "--workers", str(workers), "--port")
        self.process, self.root = self._launch(0)
        self.base = f"{self.root}/fhir"
        self.port = int(self.root.rpartition(":")[2])

    def restart(self) -> None:
        self.process, _ = self._launch(self.port)

    def is_ready(self) -> bool:
        return answers("127.0.0.1", self.port)

    def _launch(self, port: int) -> tuple["subprocess.Popen[str]", str]:
        with evidence.place("server").open("a") as log:  # looked through when the run ends
            process = subprocess.Popen([*self._command, str(port)], stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        give_up = threading.Timer(START_SECONDS, process.kill)
        give_up.start()
        said = process.stdout.readline()
        give_up.cancel()
        assert said.startswith(READY), said
        return process, said.removeprefix(READY).split()[0].removesuffix("/fhir")


@contextmanager
def running(data_dir: Path, workers: int = 1) -> Iterator[Server]:
    server = Server(data_dir, workers)
    try:
        yield server
    finally:
        _keep_metrics(server)
        server.process.terminate()
        server.process.wait()
        evidence.keep_logs(data_dir)


def _keep_metrics(server: Server) -> None:
    """What the server tells of itself, as far as a test has left it alive."""
    here = ("--data", str(server.data_dir))
    yiyang("client", "add", WATCH, "--organization", WATCH, "--scopes", "ops/metrics", *here)
    token = yiyang("token", WATCH, "--scope", "ops/metrics", "--base", server.base, *here).stdout.strip()
    with suppress(httpx.HTTPError):
        answer = httpx.get(f"{server.root}/metrics", headers={"authorization": f"Bearer {token}"}, timeout=5)
        assert answer.status_code == 200, answer.text
        evidence.note("metrics", answer.text)


def yiyang(*arguments: str, seconds: float = START_SECONDS) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end."""
    done = subprocess.run([*YIYANG, *arguments], capture_output=True, text=True, check=False, timeout=seconds)
    evidence.note("command", done.stderr)
    return done


def wait_until(holds: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def descendants(ancestor: int) -> dict[int, str]:
    """Every process below another by pid, with its command line."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = list[int](), [ancestor]
    while waiting:
        found += (below := children.get(waiting.pop(), []))
        waiting += below
    return {pid: _command_line(pid) for pid in found}


def _parent(process: Path) -> int | None:
    try:
        status = (process / "stat").read_text()
    except OSError:  # it has ended meanwhile
        return None
    return int(status.rpartition(")")[2].split()[1])


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
