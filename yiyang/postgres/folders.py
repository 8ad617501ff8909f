"""Where a cluster lies, and how its socket is named: https://www.postgresql.org/docs/18/runtime-config-connection.html"""

import hashlib
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from yiyang.postgres.programs import ServerUser

NAME: Final = "yiyang"  # of the database and of its superuser
PORT: Final = 5432  # a part of the socket's name; nothing listens on TCP
SOCKET: Final = f".s.PGSQL.{PORT}"
SOCKET_PATH_LIMIT: Final = 103  # bytes that every system allows


class Folders:
    """The paths under one data folder. `home` belongs to the server's user, everything beside it to ours."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.lock = self.data_dir / "postgres.lock"
        self.log = self.data_dir / "postgres.log"
        self.home = self.data_dir / "postgres"
        self.data = self.home / "data"
        self.pid_file = self.data / "postmaster.pid"
        self.cluster_name = "yiyang-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        near = self.home / "socket"
        fits = len(os.fsencode(near / SOCKET)) <= SOCKET_PATH_LIMIT
        self.socket_dir = near if fits else Path("/tmp") / self.cluster_name  # noqa: S108 - own_folder checks whose it is # nosec B108
        # As the server names it, from its data folder: it need not be able to walk there from the root.
        self.socket_dir_from_data = "../socket" if fits else str(self.socket_dir)

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(self.socket_dir))}&port={PORT}"

    def pid_lines(self) -> list[str]:
        """The server's pid file: pid first, its state in the 8th line."""
        try:
            return self.pid_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []


def own_folder(folder: Path, user: ServerUser) -> None:
    """Make a folder that only `user` enters; refuse one that stands there as somebody else's, or as a link."""
    uid = os.geteuid() if user.uid is None else user.uid
    if not os.path.lexists(folder):
        folder.mkdir(mode=0o700)
        if user.uid is not None and user.gid is not None:
            os.chown(folder, user.uid, user.gid)
    found = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or found.st_uid != uid or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of user {uid} alone")


def as_cwd(folder: Path, user: ServerUser) -> str:
    """What a child that starts in `folder` calls it.

    A server that dropped root may not walk there from the root (a data folder under /root): it goes by the link that the kernel
    keeps to the working directory.
    """
    return str(folder) if user.uid is None else "/proc/self/cwd"
