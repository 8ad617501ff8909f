"""The embedded cluster survives what happens to it: https://www.postgresql.org/docs/18/server-shutdown.html"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from yiyang.postgres import Cluster
from yiyang.postgres.folders import Folders

OWNER = """
import sys, time
from pathlib import Path
from yiyang.postgres import Cluster
cluster = Cluster(Path(sys.argv[1]))
cluster.ensure()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def owner(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that started the cluster and holds it."""
    process = _start_owner(data_dir)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()


def test_a_stopped_cluster_comes_back_with_its_rows(data_dir: Path) -> None:
    cluster = Cluster(data_dir)
    cluster.ensure()
    _execute(cluster.url, "CREATE TABLE kept AS SELECT 1 AS n")
    cluster.stop()
    cluster.ensure()
    assert _execute(cluster.url, "SELECT n FROM kept") == 1
    cluster.stop()


def test_it_is_durable_and_listens_on_no_network(data_dir: Path) -> None:
    cluster = Cluster(data_dir)
    cluster.ensure()
    values = [_execute(cluster.url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
    assert values == ["on", "on", "on"]
    assert _execute(cluster.url, "SHOW listen_addresses") == ""
    assert _execute(cluster.url, "SELECT '中' ~ '[[:alpha:]]'") is True
    assert Folders(data_dir).socket_dir.stat().st_mode & 0o077 == 0
    cluster.stop()


def test_a_second_process_is_a_guest_and_leaves_the_server_running(
    data_dir: Path, owner: subprocess.Popen[str]
) -> None:
    guest = Cluster(data_dir)
    guest.ensure()
    assert _execute(guest.url, "SELECT 1") == 1
    guest.stop()
    assert _execute(guest.url, "SELECT 1") == 1


def test_the_server_dies_with_a_killed_owner_and_the_next_one_starts_it(
    data_dir: Path, owner: subprocess.Popen[str]
) -> None:
    _execute(Folders(data_dir).url, "CREATE TABLE kept AS SELECT 1 AS n")
    server = int(Folders(data_dir).pid_lines()[0])
    owner.kill()
    owner.wait()
    heir = Cluster(data_dir)
    heir.ensure()
    assert int(Folders(data_dir).pid_lines()[0]) != server
    assert _execute(heir.url, "SELECT n FROM kept") == 1
    heir.stop()


def test_a_killed_server_is_started_again_by_its_owner(data_dir: Path) -> None:
    cluster = Cluster(data_dir)
    cluster.ensure()
    _execute(cluster.url, "CREATE TABLE kept AS SELECT 1 AS n")
    os.kill(int(Folders(data_dir).pid_lines()[0]), signal.SIGKILL)
    time.sleep(0.05)
    cluster.ensure()
    assert _execute(cluster.url, "SELECT n FROM kept") == 1
    cluster.stop()


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(data_dir: Path) -> None:
    cluster = Cluster(data_dir)
    cluster.ensure()
    folders = Folders(data_dir)
    left = folders.pid_lines()
    cluster.stop()
    folders.pid_file.write_text("\n".join(["1", *left[1:], ""]), encoding="utf-8")
    folders.pid_file.chmod(0o600)
    os.chown(folders.pid_file, folders.data.stat().st_uid, folders.data.stat().st_gid)
    cluster.ensure()
    assert _execute(cluster.url, "SELECT 1") == 1
    cluster.stop()


def test_two_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    owners = [_start_owner(data_dir) for _ in range(3)]
    try:
        assert [process.stdout.readline() for process in owners if process.stdout] == ["ready\n"] * 3
        assert _execute(Folders(data_dir).url, "SELECT 1") == 1
    finally:
        for process in owners:
            process.kill()
            process.wait()


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "deep" / ("x" * 100))
    cluster.ensure()
    assert _execute(cluster.url, "SELECT 1") == 1
    cluster.stop()


def test_a_folder_closed_to_the_servers_user_holds_a_cluster(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    cluster = Cluster(closed / "data")
    cluster.ensure()
    assert _execute(cluster.url, "SELECT 1") == 1
    cluster.stop()


def _start_owner(data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", OWNER, str(data_dir)], stdout=subprocess.PIPE, text=True)


def _execute(url: str, sql: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(run())
