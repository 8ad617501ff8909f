"""What the access predicate, the audit and the metrics cost, each as a share: the same work with and without, by turns, in the same minutes.

`python -m benchmarks.costs [--patients 300] [--rounds 21] [--load FOLDER] [FOLDER]`: statements one at a time on one connection, prepared;
requests sixteen at a time through a service in this process, signed as the gateway signs them. The caller has a basis for the patients and made none
of what it reads. A share is (with - without) / without, the median of the rounds.
"""

import asyncio
import shutil
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl

import asyncpg
import msgspec
from pydantic import SecretStr

from benchmarks.database import SETTINGS
from benchmarks.known import ZONE
from benchmarks.load import Loader, load_script
from services.care.app import create_app as care
from services.fhir.access.access import Access, access_of
from services.fhir.search.parse import parse_search
from services.fhir.store import read
from services.fhir.store.audit_log import AuditLog
from services.fhir.store.query import page_statement
from services.kit.caller import HEADER, Caller, sign
from services.kit.database import Database, role_of
from services.kit.metrics import Measured
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.records.app import create_app as records
from services.referral.app import create_app as referral
from yiyang.migrate import migrate
from yiyang.postgres import Cluster

GUEST: Final = Caller("costs", "guest", None, ("system/*.cruds",), "TREAT", "costs", "costs")
KEY: Final = b"0123456789abcdef-of-measurements"
BASE: Final = "http://127.0.0.1:8000/fhir"
AT_ONCE: Final = 16
STATEMENTS: Final = 300  # of one block; blocks with and without take turns
REQUESTS: Final = 500
SEED: Final = 7

Work = Callable[[Random], Awaitable[None]]
Seconds = Callable[[], Awaitable[float]]


class Cost(msgspec.Struct, frozen=True):
    """Of one kind of work: microseconds with and without, and the share of each round."""

    what: str
    with_it: float
    without: float
    shares: tuple[float, ...]

    def row(self) -> str:
        share = statistics.median(self.shares)
        low, _, high = statistics.quantiles(self.shares, n=4)
        spread = f"{low:+.0%} … {high:+.0%}"
        return f"| {self.what} | {self.without:,.0f} | {self.with_it:,.0f} | **{share:+.0%}** | {spread} |"


HEAD: Final = "| Work | µs without | µs with | Cost | Half of the blocks |\n|---|--:|--:|--:|---|"


async def cost(what: str, rounds: int, with_it: Seconds, without: Seconds) -> Cost:
    """By turns, so that what else the machine does meets both."""
    pairs = [(await with_it(), await without()) for _ in range(rounds + 1)][1:]  # the first round warms up
    shares = tuple(own / bare - 1 for own, bare in pairs)
    longer, shorter = (statistics.median(each) * 1e6 for each in zip(*pairs, strict=True))
    return Cost(what, longer, shorter, shares)


# ---- statements -----------------------------------------------------------------------------------------------------------


def by_statement(connection: Any, ids: Sequence[str], observations: Sequence[str], access: Access) -> dict[str, Work]:
    async def read_one(random: Random) -> None:
        await read.current(connection, "Observation", random.choice(observations), access)

    def search(resource_type: str, query: str) -> Work:
        async def run(random: Random) -> None:
            items = parse_qsl(query.format(id=random.choice(ids)))
            parsed = parse_search(resource_type, items, base=BASE, zone=ZONE, now=access.at)
            statement = page_statement(parsed, None, access, with_tokens=False)
            await connection.fetch(statement.sql, *statement.values)

        return run

    return {
        "statement: read an Observation": read_one,
        "statement: a patient's Observations, by date": search(
            "Observation", "patient=Patient/{id}&_sort=-date&_count=20"
        ),
        "statement: Patients by gender, one page": search("Patient", "gender=male&_count=20"),
    }


async def one_by_one(work: Work) -> float:
    random, begun = Random(SEED), time.perf_counter()  # noqa: S311
    for _ in range(STATEMENTS):
        await work(random)
    return (time.perf_counter() - begun) / STATEMENTS


# ---- requests -------------------------------------------------------------------------------------------------------------


def by_request(peers: Peers, ids: Sequence[str], observations: Sequence[str]) -> dict[str, Work]:
    async def send(method: str, path: str, body: bytes = b"") -> None:
        target = f"/fhir{path}"
        signed = sign(GUEST, method, target, body, KEY, time.time())
        headers = [(HEADER.encode(), signed.encode()), (b"content-type", b"application/fhir+json")]
        answer = await peers.call("records", method, target, headers, body)
        if answer.status >= 400:  # noqa: PLR2004
            raise RuntimeError(answer.body.decode())

    async def read_one(random: Random) -> None:
        await send("GET", f"/Observation/{random.choice(observations)}")

    async def search(random: Random) -> None:
        await send("GET", f"/Observation?patient=Patient/{random.choice(ids)}&_sort=-date&_count=20")

    return {"request: read an Observation": read_one, "request: a patient's Observations, by date": search}


async def together(work: Work) -> float:
    random, begun, left = Random(SEED), time.perf_counter(), iter(range(REQUESTS))  # noqa: S311

    async def client() -> None:
        for _ in left:
            await work(random)

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return (time.perf_counter() - begun) / REQUESTS


@contextmanager
def without_predicate() -> Iterator[None]:
    def everything(caller: Caller, at: datetime, *rest: Any) -> Access:
        return msgspec.structs.replace(access_of(caller, at, *rest), is_system=True)

    with patch("services.fhir.service.access_of", everything):
        yield


@contextmanager
def without_audit() -> Iterator[None]:
    async def forget(_log: AuditLog, *_rows: Any) -> None:
        await asyncio.sleep(0)

    with patch.object(AuditLog, "record", forget):
        yield


@contextmanager
def without_metrics() -> Iterator[None]:
    async def straight(app: Measured, scope: Any, receive: Any, send: Any) -> None:
        await app.app(scope, receive, send)

    with patch.object(Measured, "__call__", straight):
        yield


def lacking(what: Callable[[], Any], work: Work) -> Seconds:
    async def run() -> float:
        with what():
            return await together(work)

    return run


# ---- the run --------------------------------------------------------------------------------------------------------------


async def measured(url: str, options: Namespace) -> list[Cost]:
    loader = Loader(url, load_script(options.load))
    await loader.fill(options.patients)
    connection = await asyncpg.connect(url)
    await _admit_guest(connection)
    found = await connection.fetch("SELECT id FROM fhir.observation ORDER BY id LIMIT 5000")
    observations = [record["id"] for record in found]
    costs = []
    own = access_of(GUEST, datetime.now(UTC))
    bare = by_statement(connection, loader.ids, observations, msgspec.structs.replace(own, is_system=True))
    for what, work in by_statement(connection, loader.ids, observations, own).items():
        costs.append(await cost(f"predicate, {what}", options.rounds, _one_by_one(work), _one_by_one(bare[what])))
    await connection.close()
    async with _house(url) as peers:
        for what, work in by_request(peers, loader.ids, observations).items():
            for name, off in (("predicate", without_predicate), ("audit", without_audit), ("metrics", without_metrics)):
                whole = _together(work)
                costs.append(await cost(f"{name}, {what}", options.rounds, whole, lacking(off, work)))
    return costs


def _one_by_one(work: Work) -> Seconds:
    return lambda: one_by_one(work)


def _together(work: Work) -> Seconds:
    return lambda: together(work)


async def _admit_guest(connection: Any) -> None:
    """Another institution with a basis for each patient, so that nothing is seen for having been written."""
    rest = "begins, ends, types, purposes, resources, may_write, founds, overrides"
    await connection.execute(
        f"""INSERT INTO fhir.access_grant (patient, organization, basis, source, shard, {rest})
        SELECT patient, 'guest', basis, source, shard, {rest} FROM fhir.access_grant"""
    )
    await connection.execute("VACUUM ANALYZE fhir.access_grant")


class _house:  # noqa: N801 - used like a function
    """The three services of this process, as `yiyang up` runs them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._databases: list[Database] = []

    async def __aenter__(self) -> Peers:
        settings = ServiceSettings(database_url=self._url, internal_key=SecretStr(KEY.decode()), public_base=BASE)
        apps: dict[str, Any] = {}
        self._peers = Peers({name: _late(apps, name) for name in ("records", "referral", "care")})
        for name, create in (("records", records), ("referral", referral), ("care", care)):
            self._databases.append(Database(self._url, role=role_of(name)))
            apps[name] = create(settings, database=self._databases[-1], peers=self._peers)
        return self._peers

    async def __aexit__(self, *_: object) -> None:
        await self._peers.close()
        for database in self._databases:
            await database.close()


def _late(apps: dict[str, Any], name: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[name](scope, receive, send)

    return app


def main(options: Namespace) -> None:
    shutil.rmtree(options.folder, ignore_errors=True)
    cluster = Cluster(options.folder, SETTINGS)
    cluster.ensure()
    try:
        migrate(cluster.url)
        print("\n".join([HEAD, *(each.row() for each in asyncio.run(measured(cluster.url, options)))]))
    finally:
        cluster.stop()


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m benchmarks.costs")
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--load", type=Path, default=Path("../shared/bench"))
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".yiyang/costs"))
    main(parser.parse_args())
