"""Fills a database with the load script's patients and observations by the store's own commits, a thousand times faster than by requests.

Each row is what a POST would have written, its grant and its outbox row too; only the audit rows are left out. Observations are prepared by
the product once for each of a few patients, and for all others get the name of theirs: what is not validated again is not different.
"""

import asyncio
import importlib.util
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from benchmarks import known
from services.fhir.access.access import SYSTEM
from services.fhir.interactions.intent import Intent
from services.fhir.store import write
from services.fhir.store.rows import Write
from services.fhir.store.shards import new_id, shard_of
from services.kit.database import Database

OBSERVATIONS: Final = 60  # of each patient, as in the load script
PATTERNS: Final = 40  # patients whose observations are prepared
PATIENTS_A_COMMIT: Final = 20
CONNECTIONS: Final = 3


def load_script(folder: Path) -> Any:
    """The module `fhirbench`, for its data: any server is measured with the same."""
    spec = importlib.util.spec_from_file_location("fhirbench", folder / "fhirbench.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Loader:
    """`ids` are the patients so far, by their number in the load script."""

    def __init__(self, url: str, script: Any) -> None:
        self._url = url
        self._script = script
        self._service = known.service(Database(url, 1), "http://127.0.0.1/fhir")
        self._pattern = lru_cache(PATTERNS)(self._prepared_observations)
        self.ids: list[str] = []

    async def fill(self, patients: int) -> None:
        """Until so many patients are there, with `OBSERVATIONS` each; then let PostgreSQL count what it has."""
        numbers = range(len(self.ids), patients)
        self.ids += [new_id(datetime.now(UTC)) for _ in numbers]
        parts = [numbers[n : n + PATIENTS_A_COMMIT] for n in range(0, len(numbers), PATIENTS_A_COMMIT)]
        settings = {"synchronous_commit": "off"}
        async with asyncpg.create_pool(self._url, min_size=1, max_size=CONNECTIONS, server_settings=settings) as pool:
            waiting = iter(parts)
            await asyncio.gather(*(self._work(pool, waiting) for _ in range(CONNECTIONS)))
            for table in ("patient", "observation", "access_grant"):
                await pool.execute(f'VACUUM ANALYZE fhir."{table}"')

    async def _work(self, pool: Any, waiting: Any) -> None:
        async with pool.acquire() as connection:
            for part in waiting:
                await write.commit(connection, self._writes(part), (), (), SYSTEM)

    def _writes(self, numbers: Sequence[int]) -> list[Write]:
        now = datetime.now(UTC)
        return [each for n in numbers for each in (self._patient(n), *self._observations(n, now))]

    def _patient(self, number: int) -> Write:
        body = json.dumps(self._script.patient(number)).encode()
        return known.decided(Intent("POST", "Patient", self.ids[number], body), self._service)

    def _observations(self, number: int, now: datetime) -> list[Write]:
        return [of_another(each, self.ids[number], now) for each in self._pattern(number % PATTERNS)]

    def _prepared_observations(self, pattern: int) -> list[Write]:
        """Of a patient that stands for others."""
        bodies = (self._script.obs_for(pattern, k, f"Patient/{known.ID}") for k in range(OBSERVATIONS))
        return [
            known.decided(Intent("POST", "Observation", body=json.dumps(body).encode()), self._service)
            for body in bodies
        ]


def of_another(prepared: Write, patient: str, now: datetime) -> Write:
    """The same of another patient."""
    if prepared.index is None or prepared.body is None:
        raise ValueError(prepared)
    resource_id = new_id(now, shard_of(patient))
    tokens = [
        t.replace(known.ID, patient).replace(prepared.id, resource_id) if "-" in t else t for t in prepared.index.tokens
    ]
    return msgspec.structs.replace(
        prepared,
        id=resource_id,
        shard=shard_of(patient),
        updated=now,
        patient=patient,
        refers=(),
        body=prepared.body.replace(known.ID, patient).replace(prepared.id, resource_id),
        index=msgspec.structs.replace(prepared.index, tokens=tokens, patient=patient),
    )
