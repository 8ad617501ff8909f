"""The clients of JavaScript, run by node's own test runner: http://hl7.org/fhir/R4/http.html

Their packages are installed from the lock beside them once; without node these tests are skipped, but not in CI.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.clients.conftest import Entrance

pytestmark = pytest.mark.long

FOLDER: Final = Path(__file__).with_name("node")
LOCK: Final = FOLDER / "package-lock.json"
INSTALLED: Final = FOLDER / "node_modules" / ".package-lock.json"  # npm writes it last
SECONDS: Final = 180


def run(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | variables
    return subprocess.run(
        command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )


@pytest.fixture(scope="module")
def node() -> str:
    """The program, with the packages of the lock beside the tests."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        _do_without("node and npm are not on this machine")
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        installed = run(npm, "ci")
        if installed.returncode:
            _do_without(f"npm ci failed: {installed.stderr[-500:]}")
    return program


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("client", ["fhir_kit_client", "medplum"])
def test_a_client_of_javascript_does_its_work(node: str, entrance: Entrance, client: str) -> None:
    """http://hl7.org/fhir/R4/http.html#read, #update, #patch, #delete, #create, #search, #paging, #history and #transaction"""
    place = {"ROOT": entrance.root, "BASE": entrance.base}
    done = run(node, "--test", f"{client}.test.js", **place, TOKEN=entrance.token)
    assert done.returncode == 0, done.stdout + done.stderr
