"""What the floor has ready before a request comes: statements of the store with places for ids, writes that were prepared once.

The floor pays for SQL and for nothing of FHIR, so a body that it has seen before is not validated or indexed again.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec

from services.care import resources as care
from services.care import rules as care_rules
from services.fhir.access.access import Access, access_of
from services.fhir.body import stamp
from services.fhir.interactions.draft import draft_create
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.version import version
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store import read
from services.fhir.store.audit_log import AuditLog
from services.fhir.store.query import page_statement
from services.fhir.store.rows import Write
from services.fhir.store.searches_together import SearchesTogether
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.store import Stores
from services.fhir.store.together import ReadsTogether
from services.fhir.store.writes_together import WritesTogether
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.peers import Peers
from services.records import resources as records
from services.records import rules as records_rules
from services.referral import resources as referral
from services.referral import rules as referral_rules

CALLER: Final = Caller("floor", "bench", None, ("system/*.cruds",), "TREAT", "floor", "floor")
ZONE: Final = ZoneInfo("Asia/Shanghai")
ID: Final = "00000000-0000-8abc-8000-000000000000"  # stands for an id that comes later
AT: Final = datetime(2000, 1, 1, tzinfo=UTC)  # and for the moment of the request
BODIES: Final = 8192

Statement = tuple[str, tuple[Any, ...]]


def service(database: Database, base: str) -> Service:
    """One service of all types, only to prepare with."""
    served = {s.type: s for room in (records, referral, care) for s in room.SERVED}
    openings = {**records_rules.OPENINGS, **referral_rules.OPENINGS, **care_rules.OPENINGS}
    stores = Stores(
        database,
        frozenset(served),
        AuditLog(database),
        SystemClock(),
        b"floor",
        ReadsTogether(database),
        SearchesTogether(database, 20),
        WritesTogether(database),
    )
    made = Service("floor", served, stores, Peers({}), base, ZONE, b"floor", SystemClock(), 10_000, openings)
    return made.seen_by(CALLER)


def decided(intent: Intent, made: Service) -> Write:
    """What is governed, past its business: neither the floor nor what is made up for a measurement has rules."""
    return version(msgspec.structs.replace(draft_create(intent, made), is_decided=True), made)


def access(at: datetime) -> Access:
    return access_of(CALLER, at)


class _Paper:
    """A connection that only notes what it is asked for."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    async def fetchrow(self, sql: str, *values: Any) -> None:
        self.statements.append((sql, values))


async def read_statement(resource_type: str) -> Statement:
    """The statement of a read by an id that carries its shard."""
    paper = _Paper()
    await read.current(paper, resource_type, ID, access(AT))
    return paper.statements[0]


@lru_cache(maxsize=BODIES)
def search_statement(resource_type: str, query: str, base: str) -> Statement:
    parsed = parse_search(resource_type, parse_qsl(query), base=base, zone=ZONE, now=AT)
    statement = page_statement(parsed, None, access(AT), with_tokens=False)
    return statement.sql, statement.values


def bound(values: Sequence[Any], at: datetime, resource_id: str = ID) -> list[Any]:
    """The values of a statement for one request."""
    places: dict[Any, Any] = {ID: resource_id, shard_of(ID): shard_of(resource_id), AT: at}
    return [places.get(v, v) if isinstance(v, str | int | datetime) else v for v in values]


class Prepared:
    """Bodies → writes: made by the product's own code at the first sight of a body, new ids at each."""

    def __init__(self, made: Service) -> None:
        self._service = made
        self.one = lru_cache(BODIES)(self._one)
        self.bundle = lru_cache(BODIES)(self._bundle)

    def _one(self, resource_type: str, body: bytes) -> Write:
        return decided(Intent("POST", resource_type, body=body), self._service)

    def _bundle(self, body: bytes) -> tuple[Write, ...]:
        entries = json.loads(body)["entry"]
        now = self._service.clock.now()
        person = next((e["fullUrl"] for e in entries if e["resource"]["resourceType"] == "Patient"), "")
        shard = shard_of(first := new_id(now))
        ids = {e["fullUrl"]: first if e["fullUrl"] == person else new_id(now, shard) for e in entries}
        text = body.decode()
        for entry in entries:
            url = entry["fullUrl"]
            text = text.replace(f'"{url}"', f'"{entry["resource"]["resourceType"]}/{ids[url]}"')
        linked = json.loads(text)["entry"]
        resources = [(ids[e["fullUrl"]], each["resource"]) for e, each in zip(entries, linked, strict=True)]
        intents = (
            Intent("POST", r["resourceType"], i, json.dumps(r, ensure_ascii=False).encode()) for i, r in resources
        )
        return tuple(decided(intent, self._service) for intent in intents)


def afresh(write: Write, now: datetime, patients: Mapping[str, str], body: bytes | None = None) -> Write:
    """The same write under a new id, of the patient that stands in `patients` for its own; links inside its body stay as they were."""
    patient = patients.get(write.patient or "", write.patient)
    if write.type == "Patient" and patient is not None:
        resource_id, shard = patient, shard_of(patient)
    else:
        shard = shard_of(patient) if patient else write.shard
        resource_id = new_id(now, shard)
    opens = write.opens
    if opens is not None:
        moved = (
            msgspec.structs.replace(o, patient=patients.get(o.patient, o.patient), begins=now) for o in opens.openings
        )
        opens = msgspec.structs.replace(opens, openings=tuple(moved))
    return msgspec.structs.replace(
        write,
        id=resource_id,
        shard=shard,
        updated=now,
        patient=patient,
        opens=opens,
        refers=tuple((element, patients.get(p, p)) for element, p in write.refers),
        body=stamp(body, write.type, resource_id, write.version, now) if body is not None else write.body,
    )


def new_patients(writes: Sequence[Write], now: datetime) -> dict[str, str]:
    """The patients that these writes make → ids that nobody has yet."""
    return {w.id: new_id(now) for w in writes if w.type == "Patient"}
