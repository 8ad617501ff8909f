"""How soon an alert is there: from the answer to the Observation that raises it to the first search that finds the DetectedIssue.

`python -m benchmarks.alerts [--rate 500] [--seconds 10] [--workers 2] [--share 0.02] [FOLDER]` writes alerts.json to FOLDER (default
.yiyang/alerts, its database is made anew). Devices of 200 elders send pulses by wrk; a share of the readings is a critical blood pressure, each of
another elder. Who looks asks every 50 ms, so that much is in the figures. All of it shares the machine.
"""

import asyncio
import json
import re
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
CONNECTIONS: Final = 32
ANSWER_MS: Final = 20  # about as long an answer takes under this load
LOOK_SECONDS: Final = 0.05
WAIT_SECONDS: Final = 20
BEHIND: Final = timedelta(seconds=5)
RULE: Final = "blood-pressure-critical"
_LUA: Final = """
local bodies = {%s}
local n = 0
function delay() return %d end
function request()
  n = n %% #bodies + 1
  local body = string.gsub(bodies[n], "AT", os.date("!%%Y-%%m-%%dT%%H:%%M:%%SZ"), 1)
  return wrk.format("POST", "/fhir/Observation", {["content-type"] = "application/fhir+json", authorization = "Bearer %s"}, body)
end
"""


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


async def measure(server: Server, rate: float, seconds: float, share: float, folder: Path) -> Json:
    client = server.client("home")
    alarms = int(rate * seconds * share)
    elders = await _elders(client, max(ELDERS, alarms))
    watcher = Watcher(client)
    looking = asyncio.create_task(watcher.look())
    answered: dict[str, float] = {}
    took: list[float] = []
    before = server.seconds()
    pulses = asyncio.create_task(_pulses(server, client.token, elders[:ELDERS], rate * (1 - share), seconds, folder))
    began = time.time()
    sending = []
    for n in range(alarms):
        sending.append(asyncio.create_task(_send(client, elders[n], answered, took)))
        await asyncio.sleep(max(0.0, began + (n + 1) * seconds / alarms - time.time()))
    await asyncio.gather(*sending)
    wrk = await pulses
    used = [round((now - then) / seconds, 2) for now, then in zip(server.seconds(), before, strict=True)]
    deadline = time.time() + WAIT_SECONDS
    while not answered.keys() <= watcher.at.keys() and time.time() < deadline:  # noqa: ASYNC110 - it is polled
        await asyncio.sleep(LOOK_SECONDS)
    looking.cancel()
    seen = [watcher.at[each] - at for each, at in answered.items() if each in watcher.at]
    return {
        "rate": round((wrk["count"] + alarms) / seconds, 1),
        "refused": wrk["refused"],
        "alerts": len(seen),
        "lost": len(answered) - len(seen),
        "from_stored_to_visible": spread(seen),
        "write": spread(took),
        "cores": dict(zip(("server", "postgres"), used, strict=True)),
    }


async def _pulses(
    server: Server, token: str, elders: list[tuple[str, str]], rate: float, seconds: float, folder: Path
) -> dict[str, int]:
    """Ordinary readings at about this rate; how many were answered, and how many of them not as they should be."""
    bodies = ",".join(f"[[{json.dumps(_reading(each, '8867-4', 72, '/min', 'AT'))}]]" for each in elders)
    script = folder / "pulses.lua"
    script.write_text(_LUA % (bodies, max(1, round(CONNECTIONS / rate * 1000 - ANSWER_MS)), token))
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds:.0f}s", "-s", str(script), server.base]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said = (await process.communicate())[0].decode()
    counted = re.search(r"(\d+) requests in", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {"count": int(counted[1]) if counted else 0, "refused": int(refused[1]) if refused else 0}


async def _elders(client: Wire, count: int) -> list[tuple[str, str]]:
    """Each with a device of its own."""
    found = []
    for _ in range(count):
        elder = f"Patient/{(await client.created(known_patient()))['id']}"
        device = {"resourceType": "Device", "status": "active", "patient": {"reference": elder}}
        found.append((elder, f"Device/{(await client.created(device))['id']}"))
    return found


async def _send(client: Wire, elder: tuple[str, str], alarms: dict[str, float], took: list[float]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    began = time.time()
    made = await client.post("/Observation", _reading(elder, "8480-6", 191, "mm[Hg]", now))
    took.append(time.time() - began)
    assert made.status_code == HTTPStatus.CREATED, made.text  # noqa: S101 - a measurement of failures is none
    alarms[made.json()["id"]] = time.time()


def _reading(elder: tuple[str, str], code: str, value: int, unit: str, at: str) -> Json:
    quantity = {"value": value, "system": UCUM, "code": unit}
    reading = observation(elder[0], code=coded(LOINC, code), effectiveDateTime=at, valueQuantity=quantity)
    return reading | {"device": {"reference": elder[1]}}


def main(arguments: Namespace) -> None:
    folder = arguments.folder.resolve()
    with serving(folder, arguments.workers) as server:
        found = asyncio.run(measure(server, arguments.rate, arguments.seconds, arguments.share, folder))
    (folder / "alerts.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="Observations per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.02, help="of the readings that are critical")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/alerts"))
    main(parser.parse_args())
