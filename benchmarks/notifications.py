"""How soon a subscriber is told: from the answer to a write, behind its commit, to the receipt of the notification, at a modest rate.

`python -m benchmarks.notifications [--rate 20] [--seconds 20] [--workers 2] [--referrals] [FOLDER]` writes notifications.json to FOLDER
(default .yiyang/notifications, its database is made anew). A write is a Task, or with `--referrals` a `$refer` to the hospital that subscribes.
Writer, server, PostgreSQL and receiver share the machine.
"""

import asyncio
import json
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from benchmarks.serving import Server, serving
from tests.house import Fhir, Response
from tests.referrals import Scene

Json = dict[str, Any]
Write = Callable[[int], Awaitable[Response]]

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


async def measure(server: Server, rate: float, seconds: float, *, referrals: bool) -> Json:
    receiver = Receiver()
    listening = await asyncio.start_server(receiver.answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    told, write = await (_referrals(server, int(rate * seconds)) if referrals else _tasks(server))
    async with listening:
        await _subscribe(told, f"http://127.0.0.1:{port}/")
        answered: dict[str, float] = {}
        sent: dict[str, float] = {}
        writes = []
        for n in range(int(rate * seconds)):
            writes.append(asyncio.create_task(_timed(write, n, sent, answered)))
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
        "from_answer": spread([receiver.at[i] - answered[i] for i in answered if i in receiver.at]),
        "from_request": spread([receiver.at[i] - sent[i] for i in answered if i in receiver.at]),
    }


async def _tasks(server: Server) -> tuple[Fhir, Write]:
    bench = server.client("bench")
    resource = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "owner": {"reference": "Organization/bench"},
    }

    async def write(_n: int) -> Response:
        return await bench.post("/Task", resource)

    return bench, write


async def _referrals(server: Server, count: int) -> tuple[Fhir, Write]:
    """A placer with as many elders and ready-made referrals, and the hospital that they go to."""
    scene = Scene([server.client(each) for each in ("placer", "fulfiller", "other")])
    await scene.furnish()
    ready = []
    for _ in range(count):
        await scene.meet()
        parts = (
            ("request", scene.request()),
            ("package", scene.package()),
            ("consent", scene.consent(scene.organizations[1])),
        )
        ready.append({"resourceType": "Parameters", "parameter": [{"name": n, "resource": r} for n, r in parts]})

    async def write(n: int) -> Response:
        return await scene.placer.post("/ServiceRequest/$refer", ready[n])

    return scene.clients[1], write


async def _subscribe(told: Fhir, endpoint: str) -> None:
    resource = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "benchmark",
        "criteria": f"Task?owner=Organization/{told.caller.organization}",
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": f"{BACKPORT}-payload-content", "valueCode": "id-only"}]},
        },
    }
    made = (await told.created(resource))["id"]
    for _ in range(100):
        await asyncio.sleep(0.1)
        if (await told.get(f"/Subscription/{made}")).json()["status"] == "active":
            return
    raise RuntimeError("the subscription was never active")


async def _timed(write: Write, n: int, sent: dict[str, float], answered: dict[str, float]) -> None:
    began = time.time()
    made = await write(n)
    now = time.time()
    assert made.status_code == HTTPStatus.CREATED, made.text  # noqa: S101 - a measurement of failures is none
    name = made.json()["id"]
    sent[name], answered[name] = began, now


def spread(seconds: Sequence[float]) -> Json:
    """Milliseconds; a notification may come before the answer that it follows from."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {
        name: round(value * 1000, 1) for name, value in (("p50", cuts[49]), ("p99", cuts[98]), ("max", max(seconds)))
    }


def main(arguments: Namespace) -> None:
    with serving(arguments.folder.resolve(), arguments.workers) as server:
        found = asyncio.run(measure(server, arguments.rate, arguments.seconds, referrals=arguments.referrals))
    (arguments.folder / "notifications.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20.0, help="writes per second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--referrals", action="store_true", help="write by $refer")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/notifications"))
    main(parser.parse_args())
