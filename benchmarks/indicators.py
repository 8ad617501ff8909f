"""How long all indicators of a county take, for its supervisor: `python -m benchmarks.indicators [--elders 100000] [FOLDER]`

Fills a PostgreSQL of its own with the elders of `yiyang generate`, with check-ups, constitutions, contracts, referrals and reads of other institutions beside
them, by the store's own commits. What is recorded of an elder is prepared once for each of a few, and gets the names of the others. FOLDER is emptied
(default .yiyang/indicators); it writes indicators.json there.
"""

import asyncio
import json
import shutil
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from benchmarks import known
from benchmarks.database import SETTINGS
from benchmarks.load import CONNECTIONS, PATIENTS_A_COMMIT, of_another
from services.care.indicators.indicator import Indicator
from services.care.indicators.load import load_indicators, load_targets
from services.care.indicators.period import Period
from services.care.operations.evaluate_measure import Kept, Question, evaluate
from services.fhir.access.access import SYSTEM
from services.fhir.interactions.intent import Intent
from services.fhir.store import write
from services.fhir.store.rows import Write
from services.fhir.store.shards import new_id
from services.kit.database import Database
from yiyang.migrate import migrate
from yiyang.population.county import COUNTY, County
from yiyang.population.files import directory
from yiyang.population.records import kept
from yiyang.postgres import Cluster
from yiyang.story.elements import concept
from yiyang.story.terms import local

Json = dict[str, Any]

PATTERNS: Final = 1000  # elders whose record is prepared
MEASURED: Final = 6  # measurements of each
READERS: Final = 2  # other institutions that have read of each
BUREAU: Final = "bureau"
CONFIRMED: Final = 0.7  # of the elders have a check-up, a constitution, a plan
_BLOCKS: Final = ("lifestyle", "examination", "tests", "guidance")
_SECTION: Final = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
# The history of referrals, and who has read of whom: as the server would have left them.
_PAST: Final = """
INSERT INTO fhir.history (type, id, version, shard, updated, method, body, patient, author, replaced)
SELECT 'Task', id, -n, shard, updated - n * interval '1 minute', 'PUT', replace(body, '"closed"', (ARRAY['"submitted"', '"accepted"', '"treating"'])[n]),
  patient, author, updated FROM fhir.task, generate_series(1, 3) n"""
_READS: Final = """
INSERT INTO fhir.audit (event, at, interaction, status, client, organization, request, type, patient, shard)
SELECT p.id || n, now() - interval '3 days', 'search-type', 200, 'his', 'reader-' || n, 'r', 'Observation', p.id, p.shard
FROM fhir.patient p, generate_series(1, $1::int) n"""


class Elders:
    """Makes the writes of each, from those of a pattern."""

    def __init__(self, url: str, county: County) -> None:
        self._url = url
        self._county = county
        self._service = known.service(Database(url, 1), "http://127.0.0.1/fhir")
        self._now = datetime.now(UTC)
        self._pattern = lru_cache(PATTERNS)(self._prepared)

    async def fill(self) -> int:
        """How many resources there are."""
        elders = range(self._county.elders)
        parts = iter([elders[n : n + PATIENTS_A_COMMIT] for n in range(0, len(elders), PATIENTS_A_COMMIT)])
        settings = {"synchronous_commit": "off"}
        async with asyncpg.create_pool(self._url, min_size=1, max_size=CONNECTIONS, server_settings=settings) as pool:
            async with pool.acquire() as connection:
                for _, bundle in directory(self._county):
                    await write.commit(connection, [*map(self._put, bundle["entry"])], (), (), SYSTEM)
            counts = await asyncio.gather(*(self._work(pool, parts) for _ in range(CONNECTIONS)))
            await pool.execute(_PAST)
            await pool.execute(_READS, READERS)
            await pool.execute("VACUUM ANALYZE")
        return sum(counts)

    def _put(self, entry: Json) -> Write:
        resource = entry["resource"]
        intent = Intent("PUT", resource["resourceType"], resource["id"], msgspec.json.encode(resource))
        return known.decided(intent, self._service)

    async def _work(self, pool: Any, parts: Iterator[Sequence[int]]) -> int:
        count = 0
        async with pool.acquire() as connection:
            for part in parts:
                writes = [each for number in part for each in self._writes(number)]
                await write.commit(connection, writes, (), (), SYSTEM)
                count += len(writes)
        return count

    def _writes(self, number: int) -> Iterator[Write]:
        now = datetime.now(UTC)
        patient = new_id(now)
        own = kept(number, self._county, self._now).resources[0]
        yield known.decided(Intent("POST", "Patient", patient, msgspec.json.encode(own)), self._service)
        for each in self._pattern(number % PATTERNS):
            yield of_another(each, patient, now)

    def _prepared(self, number: int) -> list[Write]:
        """All but the Patient, of one that stands for others."""
        one = kept(number, self._county, self._now)
        subject = f"Patient/{known.ID}"
        text = json.dumps([*one.resources[1:]]).replace(f"Patient/{one.resources[0]['id']}", subject)
        found = [each for each in json.loads(text) if each["resourceType"] != "ServiceRequest"]
        measured = [each for each in found if each["resourceType"] == "Observation"]
        resources = [each for each in found if each not in measured[MEASURED:]]
        resources += [
            *_managed(subject, one.institution.id, number),
            *self._referred(subject, one.institution.id, number),
        ]
        intents = (Intent("POST", each["resourceType"], body=msgspec.json.encode(each)) for each in resources)
        writes = (known.decided(intent, self._service) for intent in intents)
        return [msgspec.structs.replace(each, author=one.institution.id) for each in writes]

    def _referred(self, subject: str, institution: str, number: int) -> Iterator[Json]:
        if number % 20 == 0:
            yield {
                "resourceType": "Task",
                "status": "completed",
                "intent": "order",
                "priority": "stat" if number % 60 == 0 else "routine",
                "code": concept(local("task-code", "referral", "双向转诊")),
                "businessStatus": concept(local("referral-business-status", "closed", "已结案")),
                "for": {"reference": subject},
                "authoredOn": (self._now - timedelta(hours=1)).isoformat(timespec="seconds"),
                "requester": {"reference": f"Organization/{institution}"},
                "owner": self._county.hospital.reference,
            }


def _managed(subject: str, institution: str, number: int) -> Iterator[Json]:
    """A check-up, a constitution with its plan, a contract."""
    about, author = {"subject": {"reference": subject}}, {"reference": f"Organization/{institution}"}
    day = (datetime.now(UTC).date() - timedelta(days=number % 28)).isoformat()
    if number % 10 < CONFIRMED * 10:
        yield {
            "resourceType": "Composition",
            "status": "final",
            "type": concept(local("ws-483", "483.16", "成人健康体检")),
            "date": day,
            "author": [author],
            "title": "成人健康体检",
            "section": [{"code": concept(local("check-up-block", each, each)), "text": _SECTION} for each in _BLOCKS],
            **about,
        }
        tcm = concept(local("tcm33", "primary-type", "主要体质"))
        period = {"effectivePeriod": {"start": day, "end": date.max.isoformat()}}
        yield {"resourceType": "Observation", "status": "final", "code": tcm, **period, **about}
        category = [concept(local("care-plan-category", "tcm", "中医"))]
        plan = {"status": "active", "intent": "plan", "category": category, "period": {"start": day}}
        yield {"resourceType": "CarePlan", **plan, **about}
    kind = concept(local("contract-type", "family-doctor", "家庭医生签约"))
    yield {
        "resourceType": "Contract",
        "status": "executed",
        "type": kind,
        "applies": {"start": day, "end": "2099-12-31"},
        "subject": [{"reference": subject}],
    }


async def measure(url: str) -> dict[str, float]:
    """Seconds of each indicator, one after the other; then of all of them, two at a time."""
    database = Database(url, 2)
    service = known.service(database, "http://127.0.0.1/fhir").as_platform()
    indicators = load_indicators()
    taken: dict[str, float] = {}

    async def one(indicator: Indicator) -> None:
        began = time.perf_counter()
        question = Question(indicator, _year(), "summary", None, BUREAU, datetime.now(UTC))
        kept_for = Kept(indicators, load_targets(), {BUREAU: [COUNTY[0]]}, 5)
        report = await service.stores.reading(lambda store: evaluate(store, question, kept_for, known.ZONE))
        taken[indicator.name] = round(time.perf_counter() - began, 2)
        print(f"{indicator.name:<26} {taken[indicator.name]:>7.2f} s  {_told(report)}", flush=True)

    began = time.perf_counter()
    for indicator in indicators.values():
        await one(indicator)
    taken["one after the other"] = round(time.perf_counter() - began, 2)
    alone = dict(taken)
    waiting = iter(indicators.values())

    async def some() -> None:
        for indicator in waiting:
            await one(indicator)

    began = time.perf_counter()
    await asyncio.gather(some(), some())
    alone["two at a time"] = round(time.perf_counter() - began, 2)
    await database.close()
    return alone


def _year() -> Period:
    today = datetime.now(known.ZONE).date()
    return Period(date(today.year, 1, 1), date(today.year, 12, 31), today)


def _told(report: Json) -> str:
    numbers = ([str(each.get("count", "*")) for each in group["population"]] for group in report["group"])
    return "; ".join(" / ".join(reversed(each)) for each in numbers)


def main(arguments: Namespace) -> None:
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    cluster = Cluster(arguments.folder.resolve() / "database", SETTINGS)
    cluster.ensure()
    try:
        migrate(cluster.url)
        began = time.perf_counter()
        count = asyncio.run(Elders(cluster.url, County(arguments.elders)).fill())
        print(f"{arguments.elders:,} elders, {count:,} resources in {time.perf_counter() - began:,.0f} s", flush=True)
        taken = asyncio.run(measure(cluster.url))
    finally:
        cluster.stop()
    found = {"elders": arguments.elders, "resources": count, "seconds": taken}
    (arguments.folder / "indicators.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found["seconds"], indent=2))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--elders", type=int, default=100_000)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/indicators"))
    main(parser.parse_args())
