"""Starts and stops the server process of a cluster: https://www.postgresql.org/docs/18/server-start.html"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from yiyang.postgres.configuration import memory, settings
from yiyang.postgres.folders import Folders, as_cwd
from yiyang.postgres.programs import ENVIRONMENT, ServerUser
from yiyang.process import command_line, dying_with_me

START_SECONDS: Final = 600  # a recovery replays at most max_wal_size
STOP_SECONDS: Final = 60
RETRY_SECONDS: Final = 30
LOG_BYTES: Final = 5_000_000
STATE_LINE: Final = 7

Process = subprocess.Popen[bytes]


def start(folders: Folders, bin_folder: Path, user: ServerUser, overrides: Mapping[str, str]) -> Process:
    """The running server of these folders. Call it only as the owner of the cluster's lock."""
    _see_off_predecessor(folders)
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        process = _launch(folders, bin_folder, user, overrides)
        if _became_ready(process, folders):
            return process
        # Backends of a postmaster that was killed hold the shared memory for a moment.
        if time.monotonic() > deadline:
            raise OSError(f"PostgreSQL does not start: {_last_words(folders.log)} ({folders.log})")
        time.sleep(0.2)


def stop(process: Process) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def is_ready(folders: Folders, pid: int | None = None) -> bool:
    """Whether the pid file says so, which is how `pg_ctl --wait` knows."""
    lines = folders.pid_lines()
    return len(lines) > STATE_LINE and lines[STATE_LINE].strip() == "ready" and pid in (None, int(lines[0]))


def _launch(folders: Folders, bin_folder: Path, user: ServerUser, overrides: Mapping[str, str]) -> Process:
    for leftover in folders.socket_dir.glob(".s.PGSQL.*"):
        leftover.unlink()
    options = {
        **settings(memory()),
        "unix_socket_directories": folders.socket_dir_from_data,
        "cluster_name": folders.cluster_name,
        **overrides,
    }
    with _open_log(folders.log) as log:
        return subprocess.Popen(
            [
                bin_folder / "postgres",
                "-D",
                as_cwd(folders.data, user),
                *(item for name, value in options.items() for item in ("-c", f"{name}={value}")),
            ],
            cwd=folders.data,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the services first
            preexec_fn=dying_with_me(signal.SIGINT),  # noqa: PLW1509 - one prctl call, it takes no lock
            **user.process,
        )


def _became_ready(process: Process, folders: Folders) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if is_ready(folders, process.pid):
            return True
        time.sleep(0.01)
    return False


def _see_off_predecessor(folders: Folders) -> None:
    """The owner's lock is ours: a server still named in the pid file has lost its owner and is stopping, or must."""
    lines = folders.pid_lines()
    if not lines:
        return
    pid, deadline = int(lines[0]), time.monotonic() + STOP_SECONDS
    while f"cluster_name={folders.cluster_name}" in (command_line(pid) or []):
        os.kill(pid, signal.SIGINT if time.monotonic() < deadline else signal.SIGQUIT)
        time.sleep(0.05)
    if command_line(pid) is not None and folders.pid_lines():
        # The number is a stranger's now (a reboot, a new container), whom PostgreSQL would take for a running server.
        # Naming its own parent instead keeps the other interlock of the file, the shared memory key.
        folders.pid_file.write_text("\n".join([str(os.getpid()), *lines[1:], ""]), encoding="utf-8")


def _open_log(log: Path) -> IO[bytes]:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if "FATAL" in line), lines[-1] if lines else "")
