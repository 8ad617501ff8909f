"""How many care records a second are ingested, each once, whatever is killed meanwhile.

`python -m benchmarks.ingest [--records 100000] [--elders 500] [--workers 2] [--at-once 4] [--kills 0] [FOLDER]` writes ingest.json to FOLDER
(default .yiyang/ingest, its database is made anew). The records are of the profiles of docs/care-records.md, their elders named by the home's
own numbers; `yiyang.client` pushes them as `yiyang push` does. Client, server and PostgreSQL share the machine. With `--kills` all workers of the
server are killed (SIGKILL) so many times on the way. Afterwards the records are counted.
"""

import asyncio
import json
import os
import signal
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Final

from benchmarks.serving import Server, serving
from tests.builders import patient
from tests.care_records import RESIDENTS, days_of_care
from tests.e2e.servers import descendants
from yiyang.client import Client, Credentials, Pushed, push
from yiyang.installation import Installation
from yiyang.progress import Progress

Json = dict[str, Any]

HOME: Final = "ingest-home"
BATCH: Final = "bench"
TYPES: Final = ("Observation", "Procedure", "MedicationAdministration", "Composition")


async def admit(client: Client, elders: int) -> None:
    """The residents, under the home's own numbers."""
    for first in range(0, elders, 100):
        people = [
            patient(identifier=[{"system": RESIDENTS, "value": f"{BATCH}-{n}"}])
            for n in range(first, min(first + 100, elders))
        ]
        entries = [{"resource": each, "request": {"method": "POST", "url": "Patient"}} for each in people]
        await client.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def kill_workers(server: Server) -> None:
    for pid, line in descendants(server.pid).items():
        if "spawn_main" in line:
            os.kill(pid, signal.SIGKILL)


async def pushed(client: Client, server: Server, file: Path, arguments: Namespace) -> tuple[Pushed, float]:
    """With so many kills, one after each equal share of the records."""
    progress, done = Progress(arguments.records, "ingest"), 0
    at = [arguments.records * n // (arguments.kills + 1) for n in range(1, arguments.kills + 1)]

    def tell(lines: int, stored: int) -> None:
        nonlocal done
        done += lines
        progress.advance(lines, stored)
        if at and done >= at[0]:
            at.pop(0)
            kill_workers(server)

    began = time.perf_counter()
    found = await push(client, file, at_once=arguments.at_once, tell=tell)
    return found, time.perf_counter() - began


async def counted(client: Client) -> int:
    return sum([await client.count(name, {"_source": f"urn:batch:{BATCH}"}) for name in TYPES])


async def measure(server: Server, credentials: Credentials, arguments: Namespace) -> Json:
    file = arguments.folder / "records.ndjson"
    lines = (json.dumps(each, ensure_ascii=False) for each in days_of_care(arguments.records, arguments.elders, BATCH))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    file.with_name(f"{file.name}.journal").unlink(missing_ok=True)
    async with Client(server.base, credentials) as client:
        await admit(client, arguments.elders)
        before, own = server.seconds(), time.process_time()
        done, seconds = await pushed(client, server, file, arguments)
        after, own = server.seconds(), time.process_time() - own
        used = {"server": after[0] - before[0], "postgresql": after[1] - before[1], "client": own}
        stored = await counted(client)
    return {
        "records": arguments.records,
        "bytes": file.stat().st_size,
        "new": done.new,
        "known": done.known,
        "refused": len(done.refused),
        "stored": stored,
        "kills": arguments.kills,
        "seconds": round(seconds, 1),
        "per_second": round(arguments.records / seconds),
        "processor_us": {name: round(each / arguments.records * 1e6) for name, each in used.items()},
        "cores": {name: round(each / seconds, 2) for name, each in used.items()},
    }


def main(arguments: Namespace) -> None:
    with serving(arguments.folder.resolve(), arguments.workers) as server:
        server.client(HOME)
        keys = Installation(arguments.folder.resolve()).client_keys(HOME)
        found = asyncio.run(measure(server, Credentials(HOME, keys.kid, keys.private_key), arguments))
    (arguments.folder / "ingest.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--elders", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=4, help="batches at once")
    parser.add_argument("--kills", type=int, default=0, help="how often all workers are killed")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/ingest"))
    main(parser.parse_args())
