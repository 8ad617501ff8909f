"""Creates a cluster: https://www.postgresql.org/docs/18/app-initdb.html"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from yiyang.postgres.folders import NAME, Folders, as_cwd, own_folder
from yiyang.postgres.programs import ENVIRONMENT, ServerUser

LOCALE: Final = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def create(folders: Folders, bin_folder: Path, user: ServerUser) -> None:
    """Build beside and rename at the end, so that a half-made cluster is never taken for one."""
    fresh = folders.home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    own_folder(fresh, user)
    here = as_cwd(fresh, user)
    _run([bin_folder / "initdb", "-D", here, "-U", NAME, "-A", "trust", "--auth-host=reject", *LOCALE], "", fresh, user)
    _run([bin_folder / "postgres", "--single", "-D", here, "postgres"], f"CREATE DATABASE {NAME};\n", fresh, user)
    fresh.rename(folders.data)


def _run(command: list[str | Path], script: str, folder: Path, user: ServerUser) -> None:
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, input=script.encode(), capture_output=True, check=False, **user.process
    )
    if done.returncode != 0:
        raise OSError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
