"""`yiyang up` on an emptied folder and a PostgreSQL of its own, for one measurement: its base, clients, and the processor time that it uses."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from benchmarks.database import SETTINGS
from tests.wire import Wire
from yiyang.migrate import migrate
from yiyang.postgres import Cluster
from yiyang.postgres.folders import Folders
from yiyang.up import READY

YIYANG: Final = (sys.executable, "-m", "yiyang")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """`yiyang up`, which may call loopback, and its PostgreSQL."""

    base: str
    pid: int
    postmaster: int
    place: tuple[str, ...]

    def client(self, organization: str) -> Wire:
        """Registered, with a token."""
        scopes = ("--organization", organization, "--scopes", "system/*.cruds")
        subprocess.run((*YIYANG, "client", "add", organization, *scopes, *self.place), check=True, capture_output=True)
        asked = (*YIYANG, "token", organization, "--base", self.base, *self.place)
        token = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        return Wire(self.base.removesuffix("/fhir"), organization, token)

    async def analyze(self) -> None:
        """Give PostgreSQL statistics of what was loaded, as autovacuum does within a minute: what was planned while the tables were empty is planned anew."""
        connection = await asyncpg.connect(self.place[-1])
        try:
            await connection.execute("ANALYZE")
        finally:
            await connection.close()

    def seconds(self) -> tuple[float, float]:
        """Of a processor so far: the server's processes, PostgreSQL's."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _fields(entry)):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        return _used(self.pid, children), _used(self.postmaster, children)


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[Server]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cluster = Cluster(folder / "database", SETTINGS)
    cluster.ensure()
    migrate(cluster.url)
    place = ("--data", str(folder), "--database", cluster.url)
    environment = os.environ | {"YIYANG_OUTBOUND_NETWORKS": '["127.0.0.0/8"]'}
    command = [*YIYANG, "up", "--port", "0", "--workers", str(workers), *place]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        said = process.stdout.readline() if process.stdout else ""
        base = said.removeprefix(READY).split()[0]
        postmaster = int(Folders(folder / "database").pid_lines()[0])
        yield Server(base, process.pid, postmaster, place)
    finally:
        process.terminate()
        process.wait()
        cluster.stop()


def _used(pid: int, children: dict[int, list[int]]) -> float:
    """With those that have ended below it."""
    fields = _fields(Path(f"/proc/{pid}"))
    own = sum(int(each) for each in fields[11:15]) / _TICKS if fields else 0.0
    return own + sum(_used(each, children) for each in children.get(pid, ()))


def _fields(process: Path) -> list[str]:
    """Of `stat`, from the state on: the parent is the second, times of processor the twelfth to the fifteenth."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return []
