"""How many HL7 v2 messages a second, and what one costs.

`python -m benchmarks.v2 [--messages 1000] [-c 16] [--workers 2] [--mllp] [FOLDER]` writes v2.json to FOLDER (default .yiyang/v2, its
database is made anew). Clients, server and PostgreSQL share the machine. Each elder is registered (A04), admitted (A01), gets a report of three results (R01), is
moved (A02) and discharged (A03); `--mllp` sends by `yiyang v2 listen`, on as many connections. The processor time of a message is told beside the time of a clock.
"""

import asyncio
import json
import os
import subprocess
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.notifications import spread
from benchmarks.serving import YIYANG, Server, serving
from services.kit.transport import OverHttp
from tests.v2 import MEDIA, Elder, adt, elder, message, pid, pv1
from yiyang.v2.command import READY
from yiyang.v2.frames import END, framed

Json = dict[str, Any]
Send = Callable[[bytes], Awaitable[bytes]]

CLIENT: Final = "v2-bench"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_RESULTS: Final = (
    "OBX|1|NM|8867-4^心率^LN||72|次/分|60-100|N|||F",
    "OBX|2|NM|2160-0^肌酐^LN||61.0|umol/L|41-81|N|||F",
    "OBX|3|NM|14771-0^空腹血糖^LN||7.2|mmol/L|3.9-6.1|H|||F",
)


def day(one: Elder) -> Iterator[tuple[str, bytes]]:
    """What the hospital sends of one elder, in its order."""
    visit = f"V{one.record}"
    yield "A04", adt("A04", one)
    yield "A01", adt("A01", one, pv1(visit))
    yield "R01", message("ORU^R01", pid(one), f"OBR|1||R{one.record}|24331-1^血脂^LN|||20261124083000", *_RESULTS)
    yield "A02", adt("A02", one, pv1(visit, "康复科^201^3"), at="20261125090000")
    yield "A03", adt("A03", one, pv1(visit, "康复科^201^3"), at="20261130100000")


async def work(send: list[Send], elders: list[Elder]) -> dict[str, list[float]]:
    waiting, took = iter(elders), defaultdict[str, list[float]](list)

    async def one(post: Send) -> None:
        for each in waiting:
            for event, content in day(each):
                began = time.perf_counter()
                answer = await post(content)
                took[event].append(time.perf_counter() - began)
                if b"\rMSA|AA|" not in answer:
                    raise RuntimeError(answer.decode())

    await asyncio.gather(*map(one, send))
    return took


async def measure(server: Server, arguments: Namespace, port: int, pid_of_bridge: int) -> Json:
    token = server.client(CLIENT).token
    gateway = OverHttp("gateway", server.base.removesuffix("/fhir"), 60)
    headers = ((b"content-type", MEDIA.encode()), (b"authorization", f"Bearer {token}".encode()))

    async def post(content: bytes) -> bytes:
        return (await gateway.call("POST", "/v2", headers, content)).body

    send = [await connection(port) if port else post for _ in range(arguments.c)]
    await work(send, [elder() for _ in range(arguments.c)])  # what is made once is made
    elders = [elder() for _ in range(arguments.messages // 5)]
    before, bridge, client = server.seconds(), _seconds(pid_of_bridge), time.process_time()
    began = time.perf_counter()
    took = await work(send, elders)
    seconds, number = time.perf_counter() - began, sum(map(len, took.values()))
    after = server.seconds()
    used = {"server": after[0] - before[0], "postgresql": after[1] - before[1], "client": time.process_time() - client}
    if port:
        used["bridge"] = _seconds(pid_of_bridge) - bridge
    return {
        "by": "mllp" if port else "http",
        "at_once": arguments.c,
        "messages": number,
        "per_second": round(number / seconds, 1),
        "processor_ms": {name: round(each / number * 1000, 2) for name, each in used.items()},
        "cores": {name: round(each / seconds, 2) for name, each in used.items()},
        "latency_ms": {event: spread(each) for event, each in took.items()},
    }


async def connection(port: int) -> Send:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send(content: bytes) -> bytes:
        writer.write(framed(content))
        return await reader.readuntil(END)

    return send


@contextmanager
def bridging(server: Server, folder: Path, *, is_wanted: bool) -> Iterator[tuple[int, int]]:
    """Port and pid of the listener; zeros where none is wanted."""
    if not is_wanted:
        yield 0, 0
        return
    server.client(CLIENT)
    senders = {"senders": [{"client": CLIENT, "addresses": ["127.0.0.1"]}]}
    (file := folder / "senders.json").write_text(json.dumps(senders), encoding="utf-8")
    command = (*YIYANG, "v2", "listen", "--port", "0", "--senders", str(file), "--base", server.base, *server.place)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline() if process.stdout else ""
        yield int(said.removeprefix(READY).rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait()


def _seconds(process: int) -> float:
    if not process:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:13]) / _TICKS


def main(arguments: Namespace) -> None:
    folder = arguments.folder.resolve()
    with (
        serving(folder, arguments.workers) as server,
        bridging(server, folder, is_wanted=arguments.mllp) as (port, bridge),
    ):
        found = asyncio.run(measure(server, arguments, port, bridge))
    (folder / "v2.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("-c", type=int, default=16, help="messages at once")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mllp", action="store_true", help="by yiyang v2 listen")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/v2"))
    main(parser.parse_args())
