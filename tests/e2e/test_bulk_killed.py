"""`kill -9` of every worker during a bulk job: it goes on in another process, and no line counts twice (docs/adr/0015)."""

import json
import os
import signal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.builders import patient
from tests.e2e.servers import Server, descendants, running, wait_until, yiyang

pytestmark = pytest.mark.long

CLIENT: Final = "loader"
LINES: Final = 4000
SECONDS: Final = 60


def killed(server: Server) -> None:
    """All that can work on a job; the head starts new ones."""
    for pid, line in descendants(server.process.pid).items():
        if "spawn_main" in line:
            os.kill(pid, signal.SIGKILL)
    wait_until(server.is_ready, "new workers answer")


def under_way(http: httpx.Client, status: str) -> bool:
    """Some of it is done, not all."""
    answer = http.get(status)
    return answer.status_code == httpx.codes.ACCEPTED and not answer.headers["x-progress"].startswith(("queued", "0 "))


def manifest(http: httpx.Client, status: str) -> dict[str, Any]:
    wait_until(lambda: http.get(status).status_code == httpx.codes.OK, "the job is done", SECONDS)
    found: dict[str, Any] = http.get(status).json()
    return found


def lines(http: httpx.Client, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    texts = [http.get(file["url"]).text.removesuffix("\n").split("\n") for file in files]
    return [json.loads(line) for text in texts for line in text]


def test_an_import_and_an_export_outlive_their_workers(tmp_path: Path) -> None:
    here = ("--data", str(tmp_path))
    body = "\n".join(json.dumps(patient(id=f"bulk-{n}", name=[{"text": "王秀英"}])) for n in range(LINES))
    with running(tmp_path, workers=2) as server:
        yiyang("client", "add", CLIENT, "--organization", "loader-home", "--scopes", "system/*.cruds", *here)
        token = yiyang("token", CLIENT, "--base", server.base, *here).stdout.strip()
        with httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=20) as http:
            sent = {"content-type": "application/fhir+ndjson"}
            accepted = http.post(f"{server.base}/$import", content=body, headers=sent)
            assert accepted.status_code == httpx.codes.ACCEPTED, accepted.text
            status = accepted.headers["content-location"]
            wait_until(lambda: under_way(http, status), "the import is under way")
            killed(server)
            assert manifest(http, status)["extension"] == {"created": LINES}

            status = http.get(f"{server.base}/$export?_type=Patient").headers["content-location"]
            killed(server)
            found = lines(http, manifest(http, status)["output"])
            assert sorted(r["id"] for r in found) == sorted(f"bulk-{n}" for n in range(LINES))
            assert {r["meta"]["versionId"] for r in found} == {"1"}
