"""An old system over MLLP, with the client of another library: admission, refusal, replay, and workers that are killed (docs/v2.md)."""

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hl7.client import MLLPClient

from tests import evidence
from tests.e2e.servers import YIYANG, Server, descendants, running, wait_until, yiyang
from tests.v2 import GBK, Told, adt, elder, message, pid, pv1, told
from yiyang.v2.command import READY

CLIENT = "county-his"
SCOPES = ("--organization", "county-hospital", "--scopes", "system/*.cruds")
RESULTS = ("OBR|1||R9001|24331-1^血脂^LN", "OBX|1|NM|8867-4^心率^LN||72|次/分|60-100|N|||F")


@contextmanager
def listening(server: Server, folder: Path) -> Iterator[int]:
    """`yiyang v2 listen`; the port."""
    here = ("--data", str(server.data_dir))
    yiyang("client", "add", CLIENT, *SCOPES, *here)
    (senders := folder / "senders.json").write_text(
        json.dumps({"senders": [{"client": CLIENT, "addresses": ["127.0.0.1"]}]}), encoding="utf-8"
    )
    command = (*YIYANG, "v2", "listen", "--port", "0", "--senders", str(senders), "--base", server.base, *here)
    with evidence.place("mllp").open("a") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith(READY), ready
        yield int(ready.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def sent(port: int, content: bytes, codec: str = "utf-8") -> Told:
    with MLLPClient("127.0.0.1", port) as client:
        client.socket.settimeout(60)
        return told(client.send_message(content).removeprefix(b"\x0b").removesuffix(b"\x1c\r"), codec)


def test_an_old_system_admits_and_its_refused_results_are_replayed(server: Server, tmp_path: Path) -> None:
    one, here = elder(name="张^鑫"), ("--data", str(server.data_dir))
    with listening(server, tmp_path) as port:
        refused = message("ORU^R01", pid(one), *RESULTS)
        assert sent(port, refused).places == ["PID-3"]
        assert sent(port, adt("A01", one, pv1("V9001"), charset=GBK), "gb18030").code == "AA"
    listed = yiyang("v2", "messages", *here)
    assert listed.stdout.count("\n") == 1
    assert "ORU^R01" in listed.stdout
    done = yiyang("v2", "replay", *here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert yiyang("v2", "messages", *here).stdout == ""
    token = yiyang("token", CLIENT, "--base", server.base, *here).stdout.strip()
    found = httpx.get(f"{server.base}/DiagnosticReport?identifier=R9001", headers={"authorization": f"Bearer {token}"})
    assert len(found.json()["entry"]) == 1
    assert one.national not in listed.stdout


@pytest.mark.long
def test_what_was_acknowledged_is_there_whoever_is_killed(tmp_path: Path) -> None:
    """Each message is sent until it is acknowledged; each visit is there once."""
    with running(tmp_path / "data", workers=2) as server, listening(server, tmp_path) as port:
        visits = [(elder(), f"V8{n:03d}") for n in range(120)]
        for n, (one, visit) in enumerate(visits):
            if n % 30 == 15:
                workers = [pid for pid, line in descendants(server.process.pid).items() if "spawn_main" in line]
                os.kill(random.choice(workers), signal.SIGKILL)  # noqa: S311
            content = adt("A01", one, pv1(visit))
            wait_until(lambda content=content: _is_accepted(port, content), f"{visit} is acknowledged", 60)  # type: ignore[misc]
        wait_until(server.is_ready, "a worker answers", 60)
        here = ("--data", str(server.data_dir))
        token = yiyang("token", CLIENT, "--base", server.base, *here).stdout.strip()
        with httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=20) as http:
            for _, visit in visits:
                found = http.get(f"{server.base}/Encounter?identifier={visit}").json()["entry"]
                assert [each["resource"]["meta"]["versionId"] for each in found] == ["1"]


def _is_accepted(port: int, content: bytes) -> bool:
    """A connection that ends without an answer is no answer."""
    with MLLPClient("127.0.0.1", port) as client:
        client.socket.settimeout(60)
        answer = client.send_message(content)
    return bool(answer) and told(answer.removeprefix(b"\x0b").removesuffix(b"\x1c\r")).code == "AA"
