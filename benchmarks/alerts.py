"""How soon an alert is there: from the answer to the Observation that raises it to the first search that finds the DetectedIssue.

`python -m benchmarks.alerts [--rate 500] [--seconds 10] [--workers 2] [--share 0.02] [FOLDER]` writes alerts.json to FOLDER (default
.yiyang/alerts, its database is made anew). Devices of as many elders send heart rates, one a minute or a second as the rate makes it; a share of
the readings is a critical blood pressure, each of another elder. Who looks asks every 50 ms. All of it shares the machine.
"""

import asyncio
import json
import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from benchmarks.notifications import spread
from benchmarks.serving import Server, serving
from services.care.alerts.codes import ALERT_RULE
from tests.builders import LOINC, UCUM, coded, known_patient, observation
from tests.wire import Wire

Json = dict[str, Any]

ELDERS: Final = 200
LOOK_SECONDS: Final = 0.05
WAIT_SECONDS: Final = 20
BEHIND: Final = timedelta(seconds=5)
RULE: Final = "blood-pressure-critical"


class Watcher:
    """Remembers when the alert of each Observation was found first."""

    def __init__(self, client: Wire) -> None:
        self._client = client
        self.at: dict[str, float] = {}

    async def look(self) -> None:
        since = datetime.now(UTC)
        while True:
            after = since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            path = f"/DetectedIssue?code={ALERT_RULE}|{RULE}&_lastUpdated=ge{after}&_count=1000"
            found = (await self._client.get(path)).json().get("entry", ())
            now = time.time()
            for each in found:
                for evidence in each["resource"].get("implicated", ()):
                    self.at.setdefault(evidence["reference"].rpartition("/")[2], now)
            newest = max((datetime.fromisoformat(e["resource"]["meta"]["lastUpdated"]) for e in found), default=since)
            since = max(since, newest - BEHIND)  # what is stamped earlier may be committed later
            await asyncio.sleep(LOOK_SECONDS)


async def measure(server: Server, rate: float, seconds: float, share: float) -> Json:
    client = server.client("home")
    count, alarms = int(rate * seconds), int(rate * seconds * share)
    elders = await _elders(client, max(ELDERS, alarms))
    watcher = Watcher(client)
    looking = asyncio.create_task(watcher.look())
    answered: dict[str, float] = {}
    took: list[float] = []
    before, began = server.seconds(), time.time()
    sending = []
    for n in range(count):
        critical = int(share and (n % int(1 / share) == 0))
        elder = elders[n // int(1 / share) % len(elders)] if critical else elders[n % len(elders)]
        sending.append(asyncio.create_task(_send(client, elder, answered if critical else None, took)))
        if (pause := began + (n + 1) / rate - time.time()) > 0:
            await asyncio.sleep(pause)
    await asyncio.gather(*sending)
    lasted = time.time() - began
    deadline = time.time() + WAIT_SECONDS
    while not answered.keys() <= watcher.at.keys() and time.time() < deadline:  # noqa: ASYNC110 - it is polled
        await asyncio.sleep(LOOK_SECONDS)
    looking.cancel()
    used = [round((now - then) / lasted, 2) for now, then in zip(server.seconds(), before, strict=True)]
    seen = [watcher.at[each] - at for each, at in answered.items() if each in watcher.at]
    return {
        "rate": round(count / lasted, 1),
        "observations": count,
        "alerts": len(seen),
        "lost": len(answered) - len(seen),
        "from_stored_to_visible": spread(seen),
        "write": spread(took),
        "cores": dict(zip(("server", "postgres"), used, strict=True)),
    }


async def _elders(client: Wire, count: int) -> list[tuple[str, str]]:
    """Each with a device of its own."""
    found = []
    for _ in range(count):
        elder = f"Patient/{(await client.created(known_patient()))['id']}"
        device = {"resourceType": "Device", "status": "active", "patient": {"reference": elder}}
        found.append((elder, f"Device/{(await client.created(device))['id']}"))
    return found


async def _send(client: Wire, elder: tuple[str, str], alarms: dict[str, float] | None, took: list[float]) -> None:
    code, value, unit = ("8867-4", 72, "/min") if alarms is None else ("8480-6", 191, "mm[Hg]")
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    quantity = {"value": value, "system": UCUM, "code": unit}
    reading = observation(elder[0], code=coded(LOINC, code), effectiveDateTime=now, valueQuantity=quantity)
    began = time.time()
    made = await client.post("/Observation", reading | {"device": {"reference": elder[1]}})
    took.append(time.time() - began)
    assert made.status_code == HTTPStatus.CREATED, made.text  # noqa: S101 - a measurement of failures is none
    if alarms is not None:
        alarms[made.json()["id"]] = time.time()


def main(arguments: Namespace) -> None:
    with serving(arguments.folder.resolve(), arguments.workers) as server:
        found = asyncio.run(measure(server, arguments.rate, arguments.seconds, arguments.share))
    (arguments.folder / "alerts.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="Observations per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.02, help="of the readings that are critical")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/alerts"))
    main(parser.parse_args())
