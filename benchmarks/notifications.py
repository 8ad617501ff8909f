"""How soon a subscriber is told: from the answer to a write, behind its commit, to the receipt of the notification, at a modest rate.

`python -m benchmarks.notifications [--rate 20] [--seconds 20] [--workers 2] [FOLDER]` writes notifications.json to FOLDER (default
.yiyang/notifications, its database is made anew). Writer, server, PostgreSQL and receiver share the machine.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.database import SETTINGS
from yiyang.migrate import migrate
from yiyang.postgres import Cluster
from yiyang.up import READY

Json = dict[str, Any]

YIYANG: Final = (sys.executable, "-m", "yiyang")
BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport"
WAIT_SECONDS: Final = 30


class Receiver:
    """Answers each POST with 200 and remembers when each resource was told first."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.calls = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        body, now = await reader.readexactly(length), time.time()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        self.calls += 1
        for entry in json.loads(body)["entry"][1:]:
            self.at.setdefault(entry["fullUrl"].rpartition("/")[2], now)


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[tuple[str, str]]:
    """The base of a server that may call loopback, and a token for it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cluster = Cluster(folder / "database", SETTINGS)
    cluster.ensure()
    migrate(cluster.url)
    place = ("--data", str(folder), "--database", cluster.url)
    environment = os.environ | {"YIYANG_OUTBOUND_NETWORKS": '["127.0.0.0/8"]'}
    command = [*YIYANG, "up", "--port", "0", "--workers", str(workers), *place]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        said = process.stdout.readline() if process.stdout else ""
        base = said.removeprefix(READY).split()[0]
        added = (*YIYANG, "client", "add", "bench", "--organization", "bench", "--scopes", "system/*.cruds", *place)
        subprocess.run(added, check=True, capture_output=True)
        token = (*YIYANG, "token", "bench", "--base", base, *place)
        yield base, subprocess.run(token, check=True, capture_output=True, text=True).stdout.strip()
    finally:
        process.terminate()
        process.wait()
        cluster.stop()


async def measure(base: str, token: str, rate: float, seconds: float) -> Json:
    receiver = Receiver()
    listening = await asyncio.start_server(receiver.answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, trust_env=False) as http:
        await _subscribe(http, base, f"http://127.0.0.1:{port}/")
        answered: dict[str, float] = {}
        sent: dict[str, float] = {}
        writes = []
        for _ in range(int(rate * seconds)):
            writes.append(asyncio.create_task(_write(http, base, sent, answered)))
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*writes)
        deadline = time.monotonic() + WAIT_SECONDS
        while len(receiver.at) < len(answered) and time.monotonic() < deadline:  # noqa: ASYNC110 - both are polled
            await asyncio.sleep(0.05)
    lost = [each for each in answered if each not in receiver.at]
    return {
        "rate": rate,
        "events": len(answered),
        "lost": len(lost),
        "calls": receiver.calls,
        "from_answer": _spread([receiver.at[i] - answered[i] for i in answered if i in receiver.at]),
        "from_request": _spread([receiver.at[i] - sent[i] for i in answered if i in receiver.at]),
    }


async def _subscribe(http: httpx.AsyncClient, base: str, endpoint: str) -> None:
    resource = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "benchmark",
        "criteria": "Task?owner=Organization/bench",
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": f"{BACKPORT}-payload-content", "valueCode": "id-only"}]},
        },
    }
    made = (await http.post(f"{base}/Subscription", json=resource)).raise_for_status().json()["id"]
    for _ in range(100):
        await asyncio.sleep(0.1)
        if (await http.get(f"{base}/Subscription/{made}")).json()["status"] == "active":
            return
    raise RuntimeError("the subscription was never active")


async def _write(http: httpx.AsyncClient, base: str, sent: dict[str, float], answered: dict[str, float]) -> None:
    owner = {"reference": "Organization/bench"}
    resource = {"resourceType": "Task", "status": "requested", "intent": "order", "owner": owner}
    began = time.time()
    made = (await http.post(f"{base}/Task", json=resource)).raise_for_status()
    now, name = time.time(), made.json()["id"]
    sent[name], answered[name] = began, now


def _spread(seconds: Sequence[float]) -> Json:
    """Milliseconds; a notification may come before the answer that it follows from."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {
        name: round(value * 1000, 1) for name, value in (("p50", cuts[49]), ("p99", cuts[98]), ("max", max(seconds)))
    }


def main(arguments: Namespace) -> None:
    with serving(arguments.folder.resolve(), arguments.workers) as (base, token):
        found = asyncio.run(measure(base, token, arguments.rate, arguments.seconds))
    (arguments.folder / "notifications.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20.0, help="writes per second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/notifications"))
    main(parser.parse_args())
