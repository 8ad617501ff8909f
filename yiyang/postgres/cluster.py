"""One PostgreSQL cluster in a folder, started when needed and shared by every process that names the folder.

The process that starts it owns it, by a lock that the kernel frees when that process dies; the server dies with its owner.
Everybody else is a guest: https://man7.org/linux/man-pages/man2/flock.2.html
"""

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from yiyang.postgres import server
from yiyang.postgres.creation import create
from yiyang.postgres.folders import SOCKET, Folders, own_folder
from yiyang.postgres.programs import programs, server_user

GUEST_SECONDS: Final = 600


class ClusterError(Exception):
    """The embedded PostgreSQL can't be created or started; the text is for the operator."""


class Cluster:
    """`ensure()` creates and starts, `url` says where it listens, `stop()` stops what this object started."""

    def __init__(self, data_dir: Path, overrides: Mapping[str, str] | None = None) -> None:
        self._folders = Folders(data_dir)
        self._overrides = overrides or {}
        self._process: server.Process | None = None
        self._lock: int | None = None

    @property
    def url(self) -> str:
        return self._folders.url

    def ensure(self, own_within: float = 0) -> None:
        """Come back with a server that answers. A long-lived process waits `own_within` seconds to be its owner."""
        folders = self._folders
        try:
            folders.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            own_until, deadline = time.monotonic() + own_within, time.monotonic() + GUEST_SECONDS
            while not self._claim():
                if time.monotonic() >= own_until and self._answers():
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError("another process holds the cluster, but it does not answer")
                time.sleep(0.02)
            if self._process is None or self._process.poll() is not None:
                self._process = self._start()
        except (OSError, LookupError, subprocess.SubprocessError) as error:
            raise ClusterError(f"{folders.data_dir}: {error}") from error

    def stop(self) -> None:
        if self._process is not None:
            server.stop(self._process)
            self._process = None
            self._folders.socket_dir.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _start(self) -> server.Process:
        user = server_user(self._folders.home)
        bin_folder = programs(user)
        own_folder(self._folders.home, user)
        if not self._folders.data.exists():
            create(self._folders, bin_folder, user)
        own_folder(self._folders.socket_dir, user)
        return server.start(self._folders, bin_folder, user, self._overrides)

    def _claim(self) -> bool:
        """Whether this object is the owner, now or already."""
        if self._lock is None:
            lock = os.open(self._folders.lock, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    def _answers(self) -> bool:
        if not server.is_ready(self._folders):
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._folders.socket_dir / SOCKET))
            except OSError:
                return False
        return True
