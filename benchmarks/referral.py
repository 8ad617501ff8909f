"""How many transitions of referrals a second.

`python -m benchmarks.referral [--referrals 400] [-c 16] [--workers 2] [FOLDER]` writes referral.json to FOLDER
(default .yiyang/referral, its database is made anew). Clients, server and PostgreSQL share the machine. Each referral goes by
operations from `$refer` to `$acknowledge`: eight transitions. The processor time of one is told beside the time of a clock.
"""

import asyncio
import json
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from benchmarks.notifications import spread
from benchmarks.serving import Server, serving
from tests.house import Fhir
from tests.referrals import Scene

Json = dict[str, Any]

PLACER, FULFILLER, OTHER = ("placer-bench", "fulfiller-bench", "other-bench")
ACTS: Final = ("receive", "accept", "arrive", "treat", "interim", "feedback", "acknowledge")


class Flow:
    """Referrals of one elder each, from one institution to the other."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.took: dict[str, list[float]] = defaultdict(list)

    async def refer(self) -> Json:
        return await self._call("refer", self.scene.placer, "/ServiceRequest/$refer", self.scene.referring())

    async def act(self, task: Json, act: str) -> Json:
        client = self.scene.placer if act == "acknowledge" else self.scene.fulfiller
        return await self._call(act, client, f"/Task/{task['id']}/${act}", self.scene.operation(task, act))

    async def whole(self, elder: str) -> None:
        flow = Flow(self.scene.about(elder))
        flow.took = self.took
        task = await flow.refer()
        for act in ACTS:
            task = await flow.act(task, act)

    async def _call(self, act: str, client: Fhir, path: str, sent: Json) -> Json:
        began = time.perf_counter()
        answer = await client.post(path, sent)
        self.took[act].append(time.perf_counter() - began)
        if answer.status_code not in (200, 201):
            raise RuntimeError(f"{act}: {answer.status_code} {answer.text}")
        task: Json = answer.json()
        return task


async def transitions(scene: Scene, server: Server, referrals: int, at_once: int) -> Json:
    """Whole referrals, so many at once."""
    elders = [await scene.meet() for _ in range(referrals + at_once)]
    await _work(Flow(scene), elders[referrals:], at_once)  # what is made once is made
    await server.analyze()
    flow, before, client = Flow(scene), server.seconds(), time.process_time()
    began = time.perf_counter()
    await _work(flow, elders[:referrals], at_once)
    seconds, number = time.perf_counter() - began, sum(map(len, flow.took.values()))
    after = server.seconds()
    used = {"server": after[0] - before[0], "postgresql": after[1] - before[1], "client": time.process_time() - client}
    return {
        "at_once": at_once,
        "transitions": number,
        "per_second": round(number / seconds, 1),
        "processor_ms": {name: round(each / number * 1000, 2) for name, each in used.items()},
        "cores": {name: round(each / seconds, 2) for name, each in used.items()},
        "latency_ms": {act: spread(took) for act, took in flow.took.items()},
    }


async def _work(flow: Flow, elders: list[str], at_once: int) -> None:
    waiting = iter(elders)

    async def one() -> None:
        for elder in waiting:
            await flow.whole(elder)

    await asyncio.gather(*(one() for _ in range(at_once)))


async def measure(server: Server, arguments: Namespace) -> Json:
    scene = Scene([server.client(each) for each in (PLACER, FULFILLER, OTHER)])
    await scene.furnish()
    return await transitions(scene, server, arguments.referrals, arguments.c)


def main(arguments: Namespace) -> None:
    with serving(arguments.folder.resolve(), arguments.workers) as server:
        found = asyncio.run(measure(server, arguments))
    (arguments.folder / "referral.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--referrals", type=int, default=400)
    parser.add_argument("-c", type=int, default=16, help="referrals at once")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/referral"))
    main(parser.parse_args())
