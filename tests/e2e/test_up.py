"""`yiyang up` comes back, whatever is killed, and the other commands work beside it (docs/operations.md)."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.servers import Server, descendants, wait_until, yiyang
from yiyang.postgres.folders import Folders
from yiyang.process import command_line

pytestmark = pytest.mark.long

ORGANIZATION = "Organization/hospital-1"


def test_commands_work_beside_a_running_server(server: Server) -> None:
    place = ("--data", str(server.data_dir))
    added = _add(server, "his")
    key_file = server.data_dir / "clients" / "his.json"
    assert str(key_file) in added
    assert key_file.stat().st_mode & 0o077 == 0
    token = _token(server, "his")
    assert _read(server, token, ORGANIZATION) == 200
    assert f"his  {ORGANIZATION}" in yiyang("client", "list", *place).stdout
    assert yiyang("client", "disable", "his", *place).returncode == 0
    wait_until(lambda: _read(server, token, ORGANIZATION) == 401, "the client is refused", 6)


def test_a_token_without_a_server_is_the_gateways_own(server: Server) -> None:
    _add(server, "keyless", "system/Organization.rs")
    (server.data_dir / "clients" / "keyless.json").unlink()
    token = _token(server, "keyless")
    assert _read(server, token, ORGANIZATION) == 200
    assert _read(server, token, "Patient/any") == 403


def test_a_killed_supervisor_takes_everything_along_and_a_restart_finds_what_was_written(server: Server) -> None:
    _add(server, "before")
    postmaster, children = _postmaster(server), _children(server.process.pid)
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not any(map(command_line, (postmaster, *children))), "every process is gone")
    server.restart()
    assert _read(server, _token(server, "before"), ORGANIZATION) == 200


def test_killed_workers_and_a_killed_postgresql_are_replaced_without_a_restart(server: Server) -> None:
    _add(server, "survivor")
    before = set(_children(server.process.pid))
    postmaster = _postmaster(server)
    for child in before:
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: server.is_ready() and _postmaster(server) not in (0, postmaster), "all is back")
    assert _read(server, _token(server, "survivor"), ORGANIZATION) == 200


def test_a_worker_that_dies_while_it_is_asked_whether_it_lives_is_replaced_at_once(server: Server) -> None:
    before = _workers(server)
    os.kill(before[0], signal.SIGSTOP)
    time.sleep(2)  # the supervisor asks every half second, and waits for the answer
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len({*_workers(server)} - {before[0]}) == len(before), "it is replaced")
    assert server.is_ready()


def test_ctrl_c_ends_it_quietly(server: Server) -> None:
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=20) == 0
    assert _postmaster(server) == 0
    server.restart()


def test_a_port_that_is_taken_is_said_in_one_line(server: Server, tmp_path: Path) -> None:
    second = yiyang("up", "--port", str(server.port), "--data", str(tmp_path / "data"))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{server.port}" in second.stderr


def _add(server: Server, client: str, scopes: str = "system/*.cruds") -> str:
    organization = ORGANIZATION.partition("/")[2]
    place = ("--data", str(server.data_dir))
    added = yiyang("client", "add", client, "--organization", organization, "--scopes", scopes, *place)
    assert added.returncode == 0, added.stderr
    return added.stdout


def _token(server: Server, client: str) -> str:
    return yiyang("token", client, "--base", server.root, "--data", str(server.data_dir)).stdout.strip()


def _read(server: Server, token: str, path: str) -> int:
    return httpx.get(f"{server.base}/{path}", headers={"authorization": f"Bearer {token}"}, trust_env=False).status_code


def _workers(server: Server) -> list[int]:
    return [pid for pid, line in descendants(server.process.pid).items() if "spawn_main" in line]


def _postmaster(server: Server) -> int:
    """The pid of a server that is up, 0 for none."""
    lines = Folders(server.data_dir).pid_lines()
    return int(lines[0]) if lines else 0


def _children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
