"""How soon the summary of an elder is there.

`python -m benchmarks.summary [--elders 200] [-c 8] [--seconds 20] [--workers 2] [FOLDER]` writes summary.json to FOLDER (default
.yiyang/summary, its database is made anew). The elders are those of `yiyang generate`, each with `DAYS` days of vital signs besides, as a home
takes them. Clients, server and PostgreSQL share the machine.
"""

import asyncio
import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.notifications import spread
from benchmarks.serving import Server, serving
from tests.house import Fhir
from yiyang.population.county import County
from yiyang.population.files import directory, of_elder
from yiyang.population.records import Kept, kept
from yiyang.story import month
from yiyang.story.elements import Calendar, create, reference, transaction

Json = dict[str, Any]

READER: Final = "summary-bench"
DAYS: Final = 90
_PLAN: Final = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "照护计划"}
_FALL: Final = {"resourceType": "AdverseEvent", "actuality": "actual", "event": {"text": "跌倒"}, "date": "2026-10-01"}
FORMS: Final = {"json": "application/fhir+json", "html": "text/html", "pdf": "application/pdf"}


async def fill(client: Fhir, elders: int) -> list[str]:
    county, now = County(elders, 1), datetime.now(UTC)
    for _, bundle in directory(county):
        await _write(client, bundle)
    people = [kept(number, county, now) for number in range(elders)]
    waiting = iter(people)

    async def work() -> None:
        for one in waiting:
            await _write(client, of_elder([r for r in one.resources if r["resourceType"] != "ServiceRequest"]))
            await _write(client, transaction(*(create(each) for each in _more(one, Calendar(now)))))

    await asyncio.gather(*(work() for _ in range(4)))
    return [one.resources[0]["id"] for one in people]


def _more(one: Kept, calendar: Calendar) -> Iterator[Json]:
    patient = f"Patient/{one.resources[0]['id']}"
    yield {**_PLAN, "subject": reference(patient)}
    yield {**_FALL, "subject": reference(patient)}
    for day in range(DAYS):
        when = calendar.at(day, 7, 30)
        yield month.blood_pressure(patient, one.institution, 130 + day % 9, 70 + day % 7, when)
        yield month.vital(patient, one.institution, month.PULSE, 70 + day % 8, when)
        yield month.vital(patient, one.institution, month.TEMPERATURE, 36.5, when)


async def _write(client: Fhir, bundle: Json) -> None:
    answer = await client.post("/", bundle, prefer="return=minimal")
    if answer.status_code != 200:  # noqa: PLR2004 - RFC 9110
        raise RuntimeError(f"{answer.status_code} {answer.text[:400]}")


async def summaries(client: Fhir, elders: list[str], accept: str, at_once: int, seconds: float) -> tuple[Json, int]:
    took: list[float] = []
    sizes: list[int] = []
    ends = time.perf_counter() + seconds

    async def reader(first: int) -> None:
        number = first
        while time.perf_counter() < ends:
            began = time.perf_counter()
            answer = await client.get(f"/Patient/{elders[number % len(elders)]}/$summary", accept=accept)
            took.append(time.perf_counter() - began)
            sizes.append(len(answer.content))
            if answer.status_code != 200:  # noqa: PLR2004 - RFC 9110
                raise RuntimeError(f"{answer.status_code} {answer.text[:400]}")
            number += at_once

    await asyncio.gather(*(reader(n) for n in range(at_once)))
    found = {"summaries": len(took), "per_second": round(len(took) / seconds, 1), "latency_ms": spread(took)}
    return found | {"bytes": sum(sizes) // len(sizes)}, len(took)


async def measure(server: Server, arguments: Namespace) -> Json:
    client = server.client(READER)
    elders = await fill(client, arguments.elders)
    await server.analyze()
    await summaries(client, elders, FORMS["json"], arguments.c, 3)
    told: Json = {"at_once": arguments.c, "elders": len(elders)}
    for name in arguments.forms.split(","):
        before = server.seconds()
        found, number = await summaries(client, elders, FORMS[name], arguments.c, arguments.seconds)
        after = server.seconds()
        used = {"server": after[0] - before[0], "postgresql": after[1] - before[1]}
        told[name] = found | {"processor_ms": {k: round(v / number * 1000, 2) for k, v in used.items()}}
    return told


def main(arguments: Namespace) -> None:
    with serving(arguments.folder.resolve(), arguments.workers) as server:
        found = asyncio.run(measure(server, arguments))
    (arguments.folder / "summary.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--elders", type=int, default=200)
    parser.add_argument("-c", type=int, default=8, help="readers at once")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--forms", default="json,html,pdf", help="json, html, pdf")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/summary"))
    main(parser.parse_args())
