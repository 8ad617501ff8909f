"""What holds of every referral whatever happened, looked up in the database as it is: I1-I6, I9 and I10 of docs/referral-workflow.md.

`faults(connection, organizations, at)` names what is wrong with the referrals between these institutions; `ledger` gives their versions.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.fhir.elements import codes_in, id_in, reference_in
from services.referral.clocks import clock_of
from services.referral.codes import ACT, TASK_CODE, direction_of, is_referral_request, outputs
from services.referral.facts import subject_of
from services.referral.states import AT_ONE_PLACE, CHOSEN, LIVE, STATES, TERMINAL, request_status, state_of
from services.referral.submission import twin_key
from services.referral.workflow import Actor, act_of

Json = dict[str, Any]
Name = str

_VERSIONS: Final = """
SELECT v.id, v.version, v.body, c.xmin::text::bigint AS tx FROM (
  SELECT id, version, body, shard FROM fhir.{table} UNION ALL SELECT id, version, body, shard FROM fhir.history WHERE type = $1) v
LEFT JOIN fhir.change c ON (c.type, c.id, c.version, c.shard) = ($1, v.id, v.version, v.shard)
WHERE v.body LIKE ANY($2) ORDER BY v.id, v.version"""
_AUDITED: Final = """SELECT id, version, tx FROM fhir.audit WHERE type = 'Task' AND status < 400 AND id = ANY($1) AND version IS NOT NULL
AND interaction NOT IN ('read', 'vread', 'history-instance', 'actions', 'slip')"""
_CHANGES: Final = "SELECT id, version FROM fhir.change WHERE type = 'Task' AND id = ANY($1)"
_PROVENANCES: Final = "SELECT body, xmin::text::bigint AS tx FROM fhir.provenance WHERE body LIKE ANY($1)"
_PLACES: Final = "SELECT key, holder, until FROM fhir.hold WHERE until IS NULL OR until > $1"
_TIMERS: Final = "SELECT holder, act FROM fhir.timer"
_NAMED: Final = "SELECT body FROM fhir.{table} WHERE id = ANY($1)"
ANYBODY: Final[frozenset[Actor]] = frozenset(("P", "F", "C", "A"))
KINDS: Final = ("Bundle", "Consent", "Appointment", "Encounter", "Composition", "Observation", "ServiceRequest")


class Version(NamedTuple):
    """One version of a referral Task, and which transaction wrote it; None where no event tells of it."""

    number: int
    body: Json
    tx: int | None


class Ledger(NamedTuple):
    """All that is there of some referrals. `told` and `audited` are (version, transaction) of Provenances and audit rows by Task."""

    tasks: Mapping[str, Sequence[Version]]
    requests: Mapping[Name, Json]
    changes: Counter[tuple[str, int]]
    told: Mapping[tuple[str, int], Sequence[tuple[str, int]]]
    audited: Mapping[tuple[str, int], Sequence[int]]
    holds: Sequence[tuple[str, str]]
    timers: Sequence[tuple[str, str]]
    named: Mapping[Name, Json]

    @property
    def newest(self) -> Iterator[tuple[Name, Json]]:
        return ((f"Task/{task_id}", versions[-1].body) for task_id, versions in self.tasks.items())


async def ledger(connection: Any, organizations: Sequence[str], at: datetime) -> Ledger:
    """Of the referrals that these institutions have sent."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        patterns = [f"%Organization/{each}%" for each in organizations]
        tasks: dict[str, list[Version]] = defaultdict(list)
        for row in await connection.fetch(_VERSIONS.format(table="task"), "Task", patterns):
            body = json.loads(row["body"])
            if id_in(body["requester"], "Organization") in organizations and "referral" in codes_in(
                body["code"], TASK_CODE
            ):
                tasks[row["id"]].append(Version(row["version"], body, row["tx"]))
        ids = [*tasks]
        changes = Counter((r["id"], r["version"]) for r in await connection.fetch(_CHANGES, ids))
        audited: dict[tuple[str, int], list[int]] = defaultdict(list)
        for row in await connection.fetch(_AUDITED, ids):
            audited[row["id"], row["version"]].append(row["tx"])
        holds = [(r["key"], r["holder"]) for r in await connection.fetch(_PLACES, at)]
        timers = [(r["holder"], r["act"]) for r in await connection.fetch(_TIMERS)]
        told, named = await _told(connection, ids), await _named(connection, tasks)
        requests = {name: each for name, each in named.items() if name.startswith("ServiceRequest/")}
        return Ledger(tasks, requests, changes, told, audited, holds, timers, named)


async def _told(connection: Any, ids: Sequence[str]) -> dict[tuple[str, int], list[tuple[str, int]]]:
    told: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for row in await connection.fetch(_PROVENANCES, ["%Task/%/_history/%"]):
        body = json.loads(row["body"])
        _, task_id, _, number = body["target"][0]["reference"].split("/")
        if task_id in ids:
            told[task_id, int(number)].append((next(iter(codes_in(body.get("activity"), ACT)), ""), row["tx"]))
    return told


async def _named(connection: Any, tasks: Mapping[str, Sequence[Version]]) -> dict[Name, Json]:
    wanted: set[Name] = set()
    for versions in tasks.values():
        task = versions[-1].body
        wanted |= {reference_in(task["focus"]), *(reference_in(each) for _, each in _attached(task))}
    found: dict[Name, Json] = {}
    for kind in KINDS:
        ids = [name.partition("/")[2] for name in wanted if name.startswith(f"{kind}/")]
        for row in await connection.fetch(_NAMED.format(table=kind.lower()), ids):
            body = json.loads(row["body"])
            found[f"{kind}/{body['id']}"] = body
    return found


def _attached(task: Json) -> Iterator[tuple[str, Json]]:
    for element in ("input", "output"):
        for place, each in enumerate(task.get(element, ())):
            if "valueReference" in each:
                yield f"{element}[{place}]", each["valueReference"]


async def faults(connection: Any, organizations: Sequence[str], at: datetime) -> list[str]:
    there = await ledger(connection, organizations, at)
    return [fault for rule in RULES for fault in rule(there)]


def one_is_chosen(there: Ledger) -> Iterator[str]:
    """I1"""
    chosen = Counter(reference_in(task["focus"]) for _, task in there.newest if state_of(task) in CHOSEN)
    yield from (f"I1: {number} Tasks of {name} are chosen" for name, number in chosen.items() if number > 1)


def one_patient(there: Ledger) -> Iterator[str]:
    """I2"""
    for name, task in there.newest:
        patient = reference_in(task["for"])
        for element, each in (("focus", task["focus"]), *_attached(task)):
            found = there.named.get(reference_in(each))
            if found is not None and subject_of(found) not in ("", patient):
                yield f"I2: {name}.{element} is about {subject_of(found)}, the referral about {patient}"


def no_twins(there: Ledger) -> Iterator[str]:
    """I3"""
    active: dict[str, set[Name]] = defaultdict(set)
    for _, task in there.newest:
        name = reference_in(task["focus"])
        order = there.requests[name]
        if order["status"] == "active" and state_of(task) in LIVE:
            placer, fulfiller = (id_in(task[each], "Organization") or "" for each in ("requester", "owner"))
            active[twin_key(order, placer, fulfiller)].add(name)
    yield from (f"I3: twins {sorted(names)}" for names in active.values() if len(names) > 1)


def whole_histories(there: Ledger) -> Iterator[str]:
    """I4, and every step is one of the table."""
    for task_id, versions in there.tasks.items():
        if [each.number for each in versions] != [*range(1, len(versions) + 1)]:
            yield f"I4: Task/{task_id} has the versions {[each.number for each in versions]}"
        for before, after in zip((None, *versions), versions, strict=False):
            earlier = before and before.body
            if act_of(earlier, after.body, ANYBODY) is None:
                yield f"I4: Task/{task_id} went from {state_of(earlier)} to {state_of(after.body)}, version {after.number}"
            if after.body["status"] != STATES[state_of(after.body)].task:
                yield f"I4: Task/{task_id} is {after.body['status']} in {state_of(after.body)}"


def told_once(there: Ledger) -> Iterator[str]:
    """I5: of each version one event, one Provenance and one audit row, all of its own transaction."""
    for task_id, versions in there.tasks.items():
        for each in versions:
            key = task_id, each.number
            if there.changes[key] != 1:
                yield f"I5: {there.changes[key]} events of Task/{task_id}/_history/{each.number}"
            if [tx for _, tx in there.told[key]] != [each.tx]:
                yield f"I5: Task/{task_id}/_history/{each.number} by {each.tx} has the Provenances {there.told[key]}"
            if [*there.audited[key]] != [each.tx]:
                yield f"I5: Task/{task_id}/_history/{each.number} by {each.tx} has the audit rows of {there.audited[key]}"
        if extra := sum(task == task_id for task, _ in there.changes) - len(versions):
            yield f"I5: {extra} events of Task/{task_id} beyond its versions"


def at_one_place(there: Ledger) -> Iterator[str]:
    """I6"""
    here = Counter(reference_in(task["for"]) for _, task in there.newest if state_of(task) in AT_ONE_PLACE)
    yield from (f"I6: {patient} is at {number} places" for patient, number in here.items() if number > 1)


def request_follows(there: Ledger) -> Iterator[str]:
    """The request is what its Tasks make of it, and of no other referral's (I9)."""
    tasks: dict[Name, list[Json]] = defaultdict(list)
    for _, task in there.newest:
        tasks[reference_in(task["focus"])].append(task)
    for name, order in there.requests.items():
        if not is_referral_request(order) or name not in tasks:
            if is_referral_request(order) and direction_of(order) == "down" and order["status"] != "draft":
                yield f"I9: {name} has no Task and is {order['status']}"
            continue
        states = [state_of(task) for task in tasks[name]]
        wanted = {request_status(each, others_live=any(s in LIVE for s in states)) for each in states}
        if order["status"] not in wanted:
            yield f"I9: {name} is {order['status']}, its Tasks are {states}"


def places_are_held(there: Ledger) -> Iterator[str]:
    """I10, and what else is held: by whom it should be, and by nobody else."""
    held: dict[Name, set[str]] = defaultdict(set)
    for key, holder in there.holds:
        held[holder].add(key)
    for name, task in there.newest:
        state, places = state_of(task), clock_of(task).places.split()
        wanted = {f"chosen:{reference_in(task['focus'])}"} if state in CHOSEN else set()
        wanted |= {f"arrived:{reference_in(task['for'])}"} if state in AT_ONE_PLACE else set()
        if missing := wanted - held[name]:
            yield f"I10: {name} in {state} does not hold {sorted(missing)}"
        allowed = wanted | {f"{'slot' if p.startswith('Slot/') else 'bed'}:{p}" for p in places}
        allowed |= {f"booking:{reference_in(v)}" for v in outputs(task, "appointment")[-1:]} if places else set()
        if kept := {key for key in held[name] - allowed if not key.startswith("quota:")}:
            yield f"I10: {name} in {state} still holds {sorted(kept)}"
        if state in TERMINAL and places:
            yield f"I10: {name} in {state} keeps {places}"


def appointments_follow(there: Ledger) -> Iterator[str]:
    """What was booked last is open as long as the elder is expected by it."""
    given_up = ("no-show", "withdrawn", "expired", "rejected", "voided")
    for name, task in there.newest:
        for value in outputs(task, "appointment")[-1:]:
            status, state = there.named[reference_in(value)]["status"], state_of(task)
            if state in ("scheduled", "in-transit") and status in ("cancelled", "noshow"):
                yield f"{name} is {state}, its Appointment {status}"
            if state in given_up and status not in ("cancelled", "noshow"):
                yield f"{name} is {state}, its Appointment {status}"


def clocks_stop(there: Ledger) -> Iterator[str]:
    """No act of the platform waits for a referral that has ended."""
    ticking = {holder for holder, _ in there.timers}
    yield from (
        f"{name} is {state_of(t)} and ticks" for name, t in there.newest if state_of(t) in TERMINAL and name in ticking
    )


RULES: Final = (
    one_is_chosen,
    one_patient,
    no_twins,
    whole_histories,
    told_once,
    at_one_place,
    request_follows,
    places_are_held,
    appointments_follow,
    clocks_stop,
)
