"""How the latency of a search grows with what is stored: the load script's searches, one at a time, at three sizes of one database.

`python -m benchmarks.scaling [--patients 500] [--steps 1,10,100] [--requests 400] [--load FOLDER] [FOLDER]` writes scaling.json and
scaling.svg to FOLDER (default .yiyang/scaling, its database is made anew). 500 patients are 30,500 resources.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from benchmarks.database import SETTINGS
from benchmarks.load import OBSERVATIONS, Loader, load_script
from benchmarks.memory import descendants, pss_mb
from benchmarks.plot import Line, plot
from yiyang.migrate import migrate
from yiyang.postgres import Cluster
from yiyang.up import READY

SCENARIOS: Final = ("read_patient", "search_obs", "search_name", "search_name_prefix")
YIYANG: Final = (sys.executable, "-m", "yiyang")
MOST: Final = 500  # distinct requests, as in the load script


class Point(msgspec.Struct, frozen=True):
    """One scenario at one size; `hits` is the mean number of entries."""

    scenario: str
    resources: int
    p50_ms: float
    p99_ms: float
    hits: float
    worker_mb: float


class Server:
    """`yiyang up` with one worker on a database that others fill."""

    def __init__(self, root: str, place: tuple[str, ...], pid: int) -> None:
        self.base = f"{root}/fhir"
        self._place = place
        self._pid = pid

    def token(self) -> str:
        command = (*YIYANG, "token", "bench", "--base", self.base, *self._place)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def worker_mb(self) -> float:
        return max(pss_mb(pid) for pid in descendants(self._pid) if pid != self._pid)


@contextmanager
def serving(url: str, folder: Path) -> Iterator[Server]:
    place = ("--data", str(folder), "--database", url)
    process = subprocess.Popen(
        [*YIYANG, "up", "--port", "0", "--workers", "1", *place], stdout=subprocess.PIPE, text=True
    )
    try:
        said = process.stdout.readline() if process.stdout else ""
        root = said.removeprefix(READY).split()[0].removesuffix("/fhir")
        added = (*YIYANG, "client", "add", "bench", "--organization", "bench", "--scopes", "system/*.rs", *place)
        subprocess.run(added, check=True, capture_output=True)
        yield Server(root, place, process.pid)
    finally:
        process.terminate()
        process.wait()


def measure(server: Server, script: Any, ids: list[str], requests: int) -> list[Point]:
    """Every scenario at the size that is there, after a warm-up of a fifth."""
    step = max(1, len(ids) // MOST)
    index = list(range(0, len(ids), step))[:MOST]
    state = {"patients": [ids[n] for n in index], "index": index, "observations": []}
    scenarios, _ = script.scenarios(state, "")
    connection = HTTPConnection(urlsplit(server.base).netloc)
    headers = {"Accept": "application/fhir+json", "Authorization": f"Bearer {server.token()}"}
    points = []
    for name in SCENARIOS:
        made = scenarios[name][0]()
        paths = [f"/fhir{path}" for _, path, _ in (made * (requests // len(made) + 1))[:requests]]
        for path in paths[: requests // 5]:
            _ask(connection, path, headers)
        asked = [_ask(connection, path, headers) for path in paths]
        times = sorted(milliseconds for milliseconds, _ in asked)
        hits = statistics.fmean(found for _, found in asked)
        at = statistics.quantiles(times, n=100)
        resources = len(ids) * (1 + OBSERVATIONS)
        points.append(Point(name, resources, round(at[49], 2), round(at[98], 2), round(hits, 1), server.worker_mb()))
    return points


def _ask(connection: HTTPConnection, path: str, headers: dict[str, str]) -> tuple[float, int]:
    """(milliseconds, entries)."""
    start = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    took = 1000 * (time.perf_counter() - start)
    if answer.status != 200:  # noqa: PLR2004
        raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
    return took, len(json.loads(body).get("entry", ()))


def draw(points: list[Point]) -> str:
    lines = [
        Line(f"{scenario} {part}", [(p.resources, getattr(p, f"{part}_ms")) for p in points if p.scenario == scenario])
        for scenario in SCENARIOS
        for part in ("p50", "p99")
    ]
    return plot("Latency of one request at a time", "resources stored", "ms", lines)


def table(points: list[Point]) -> str:
    rows = [
        f"| {p.scenario} | {p.resources:,} | {p.p50_ms} | {p.p99_ms} | {p.hits} | {p.worker_mb:.0f} |"
        for p in sorted(points, key=lambda p: (SCENARIOS.index(p.scenario), p.resources))
    ]
    head = "| Scenario | Resources | p50 ms | p99 ms | Entries | Worker PSS MB |\n|---|--:|--:|--:|--:|--:|"
    return "\n".join([head, *rows])


def run(arguments: Namespace) -> list[Point]:
    script, folder = load_script(arguments.load), arguments.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    cluster = Cluster(folder / "database", SETTINGS)
    cluster.ensure()
    points: list[Point] = []
    try:
        migrate(cluster.url)
        loader = Loader(cluster.url, script)
        with serving(cluster.url, folder) as server:
            for step in arguments.steps:
                start = time.monotonic()
                asyncio.run(loader.fill(arguments.patients * step))
                print(f"# {len(loader.ids)} patients after {time.monotonic() - start:.0f} s", flush=True)
                points += measure(server, script, loader.ids, arguments.requests)
    finally:
        cluster.stop()
    (folder / "scaling.json").write_bytes(msgspec.json.encode(points))
    (folder / "scaling.svg").write_text(draw(points), encoding="utf-8")
    return points


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(".yiyang/scaling"))
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--steps", type=lambda text: [int(s) for s in text.split(",")], default=[1, 10, 100])
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--load", type=Path, default=Path("../shared/bench"))
    print(table(run(parser.parse_args())))


if __name__ == "__main__":
    main()
