"""Packages of JavaScript, installed once from the lock beside their tests, and node's own test runner.

Without node these tests are skipped, but not in CI.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.clients.conftest import Entrance

SECONDS: Final = 300


def check(folder: Path, test: str, entrance: Entrance) -> None:
    """Run one file of tests in its folder against the server."""
    place = {"ROOT": entrance.root, "BASE": entrance.base, "TOKEN": entrance.token}
    done = _run(folder, _node(folder), "--test", test, **place)
    assert done.returncode == 0, done.stdout + done.stderr


def _node(folder: Path) -> str:
    """The program, with the packages of the lock beside the tests."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        do_without("node and npm are not on this machine")
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"  # npm writes it last
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = _run(folder, npm, "ci")
        if done.returncode:
            do_without(f"npm ci failed: {done.stderr[-500:]}")
    return program


def _run(folder: Path, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | variables
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def do_without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
