"""What is written of governed types passes their owner's business, whatever way it came (docs/adr/0025)."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.fhir.bulk.worker import Worker
from services.fhir.business import Change, Context, Decision, Hold, RefusedChange, Timer, changed, created
from services.fhir.outcomes import FhirError, conflict, unprocessable
from services.kit.database import Database
from tests.builders import batch, create, entry, observation, patient, service_request, task, transaction, urn
from tests.bulk import another_worker, database, finished, kicked_off, lines, manifest
from tests.governed import House, Rule, as_they_are, governed_house
from tests.house import Fhir, Response
from tests.matchers import assert_outcome

__all__ = ["database"]

Json = dict[str, Any]

NDJSON = "application/fhir+ndjson"


@pytest.fixture(scope="module")
def rule() -> Rule:
    return Rule()


@pytest.fixture(scope="module")
async def governed(database_url: str, rule: Rule) -> AsyncIterator[House]:
    async with governed_house(database_url, rule) as house:
        yield house


@pytest.fixture
def fhir(governed: House, rule: Rule) -> Fhir:
    rule.reset()
    return governed.fhir


@pytest.fixture
def importer(governed: House, database: Database, database_url: str) -> Worker:
    return another_worker(governed.peers, database, database_url)


def refusal() -> FhirError:
    return unprocessable("not now", code="business-rule", text="此时不可", expression=("Task.status",))


async def refuse(_changes: Sequence[Change], _others: Mapping[str, Json], _context: Context) -> Decision:
    raise refusal()


def code_of(resource: Json) -> str:
    return str(resource["businessStatus"]["coding"][0]["code"])


def moved(resource: Json, status: str) -> Json:
    return resource | {"status": status}


async def versions(fhir: Fhir, path: str) -> int:
    return len((await fhir.get(f"{path}/_history")).json()["entry"])


async def rows(database: Database) -> dict[str, int]:
    """How many rows there are of all that a commit leaves."""
    tables = ("task", "servicerequest", "provenance", "history", "change", "hold", "timer")
    async with database.connection() as connection:
        return {each: await connection.fetchval(f"SELECT count(*) FROM fhir.{each}") for each in tables}


# ---- no way around --------------------------------------------------------------------------------------------------------


async def ways_to_change(fhir: Fhir, stored: Json) -> Mapping[str, Response]:
    """Every way to a new version of a Task that is there."""
    path, name = f"/Task/{stored['id']}", f"Task?_id={stored['id']}"
    patched = json.dumps([{"op": "replace", "path": "/status", "value": "received"}]).encode()
    json_patch = {"content_type": "application/json-patch+json"}
    binary = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": base64.b64encode(patched).decode(),
    }
    label = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
    body = moved(stored, "received")
    return {
        "update": await fhir.put(path, body),
        "conditional update": await fhir.put(f"/{name}", body),
        "patch": await fhir.call("PATCH", path, patched, **json_patch),
        "conditional patch": await fhir.call("PATCH", f"/{name}", patched, **json_patch),
        "delete": await fhir.delete(path),
        "conditional delete": await fhir.delete(f"/{name}"),
        "$meta-add": await fhir.post(f"{path}/$meta-add", {"resourceType": "Parameters", "parameter": [label]}),
        "transaction": await fhir.post("/", transaction(entry("PUT", path[1:], body))),
        "patch in a transaction": await fhir.post("/", transaction(entry("PATCH", path[1:], binary))),
        "delete in a transaction": await fhir.post("/", transaction(entry("DELETE", path[1:]))),
        "batch": await fhir.post("/", batch(entry("PUT", path[1:], body))),
    }


async def test_every_way_to_a_new_version_is_refused_by_the_business(fhir: Fhir, rule: Rule) -> None:
    stored = await fhir.created(task())
    rule.decide = refuse
    answers = await ways_to_change(fhir, stored)
    for way, answer in answers.items():
        if way == "batch":
            assert answer.json()["entry"][0]["response"]["status"].startswith("422"), answer.text
        else:
            assert_outcome(answer, 422, "business-rule")
    assert await versions(fhir, f"/Task/{stored['id']}") == 1
    assert len(rule.asked) == 1 + len(answers)


async def test_every_way_to_a_first_version_is_refused_by_the_business(fhir: Fhir, rule: Rule) -> None:
    rule.decide = refuse
    mark = uuid4().hex
    new = task(identifier=[{"system": "http://example.org", "value": mark}])
    by = f"identifier=http://example.org|{mark}"
    answers = [
        await fhir.post("/Task", new),
        await fhir.post("/Task", new, if_none_exist=by),
        await fhir.put(f"/Task/t-{mark}", new | {"id": f"t-{mark}"}),
        await fhir.put(f"/Task?{by}", new),
        await fhir.post("/", transaction(create(new))),
        await fhir.post("/", transaction(create(new, ifNoneExist=by))),
        await fhir.post("/", transaction(create(patient()), create(new))),
    ]
    for answer in answers:
        assert_outcome(answer, 422, "business-rule")
    assert_outcome(answers[-1], 422, "business-rule", "Bundle.entry[1].resource.status")
    assert (await fhir.get(f"/Task?{by}&_summary=count")).json()["total"] == 0


async def test_a_refused_line_of_an_import_says_why_and_the_others_are_taken_in(
    fhir: Fhir, rule: Rule, importer: Worker
) -> None:
    async def only_drafts(changes: Sequence[Change], _others: Mapping[str, Json], _context: Context) -> Decision:
        for n, each in enumerate(changes):
            if each.after and each.after["status"] != "draft":
                raise RefusedChange(refusal(), n)
        return Decision()

    rule.decide = only_drafts
    mark = uuid4().hex
    wanted = (task(id=f"a-{mark}", status="draft"), task(id=f"b-{mark}"), patient(id=f"p-{mark}"))
    body = b"\n".join(json.dumps(each).encode() for each in wanted)
    status = await kicked_off(fhir, "/$import", body, content_type=NDJSON)
    await finished(importer)
    found = await manifest(fhir, status)
    assert found["extension"] == {"created": 2, "refused": 1}
    (refused,) = await lines(fhir, found["error"])
    assert "business-rule" in json.dumps(refused)


async def test_an_import_of_what_is_there_already_is_not_decided_on(fhir: Fhir, rule: Rule, importer: Worker) -> None:
    stored = await fhir.created(task())
    rule.decide = refuse
    status = await kicked_off(fhir, "/$import", json.dumps(stored).encode(), content_type=NDJSON)
    await finished(importer)
    assert (await manifest(fhir, status))["extension"] == {"unchanged": 1}


async def test_validate_tells_what_the_business_would_refuse(fhir: Fhir, rule: Rule) -> None:
    rule.decide = refuse
    told = await fhir.post("/Task/$validate?mode=create", task())
    assert "business-rule" in [issue["code"] for issue in told.json()["issue"]]


async def test_what_is_not_governed_never_asks(fhir: Fhir, rule: Rule) -> None:
    rule.decide = refuse
    await fhir.created({"resourceType": "Slot", **_slot()})
    await fhir.created(patient())
    assert rule.asked == []


def _slot() -> Json:
    times = {"start": "2026-05-01T08:00:00+08:00", "end": "2026-05-01T09:00:00+08:00"}
    return {"schedule": {"reference": "Schedule/s"}, "status": "free", **times}


# ---- what is decided ------------------------------------------------------------------------------------------------------


def provenance(target: str, patient: str | None = None) -> Json:
    about = [{"reference": target}] + ([{"reference": patient}] if patient else [])
    agent = {"who": {"reference": "Organization/hospital"}}
    return {"resourceType": "Provenance", "target": about, "recorded": "2026-05-01T08:00:00+08:00", "agent": [agent]}


def referral(fhir: Fhir, elder: str) -> Any:
    """A request and its Task, in one transaction."""
    order = urn()
    work = task(order) | {"for": {"reference": elder}}
    return fhir.post("/", transaction(create(service_request(elder), order), create(work)))


def located(response: Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [each["response"]["location"].partition("/_history")[0] for each in response.json()["entry"]]


async def with_request(changes: Sequence[Change], _others: Mapping[str, Json], context: Context) -> Decision:
    """A Task that is accepted: the request says so too, a Provenance tells it, a place is taken, a timer set."""
    for each in changes:
        if each.before is None or each.after is None or each.type != "Task":
            return Decision()
        focus = each.after["focus"]["reference"].partition("/")[2]
        request = await context.read("ServiceRequest", focus)
        assert request is not None
        order, version = request
        said = {**each.after, "statusReason": {"text": "由平台填写"}}
        return Decision(
            bodies={0: said},
            also=(changed(order | {"status": "completed"}, version), created(provenance(f"Task/{each.id}"))),
            rests_on=(("ServiceRequest", focus, version),),
            takes=(Hold(f"bed:{focus}", f"Task/{each.id}"),),
            timers={f"Task/{each.id}": (Timer("remind", context.at),)},
        )
    return Decision()


async def test_what_is_decided_stands_in_the_same_commit_across_owners(
    fhir: Fhir, rule: Rule, database: Database
) -> None:
    elder = f"Patient/{(await fhir.created(patient()))['id']}"
    order, work = located(await referral(fhir, elder))
    before = await rows(database)
    rule.decide = with_request
    stored = (await fhir.get(f"/{work}")).json()
    answer = await fhir.put(f"/{work}", moved(stored, "accepted"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["statusReason"]["text"] == "由平台填写"
    assert (await fhir.get(f"/{order}")).json()["status"] == "completed"
    found = (await fhir.get(f"/Provenance?target={work}")).json()["entry"]
    assert len(found) == 1
    after = await rows(database)
    assert {name: after[name] - before[name] for name in after} == {
        "task": 0, "servicerequest": 0, "provenance": 1, "history": 2, "change": 3, "hold": 1, "timer": 1,
    }  # fmt: skip


@pytest.mark.parametrize("wrong", ["also is refused", "no place is free", "a reference to nobody"])
async def test_what_cannot_be_committed_leaves_nothing(fhir: Fhir, rule: Rule, database: Database, wrong: str) -> None:
    elder = f"Patient/{(await fhir.created(patient()))['id']}"
    _, work = located(await referral(fhir, elder))
    stored = (await fhir.get(f"/{work}")).json()

    async def decide(changes: Sequence[Change], others: Mapping[str, Json], context: Context) -> Decision:
        decision = await with_request(changes, others, context)
        if wrong == "also is refused":
            return msgspec.structs.replace(decision, also=(*decision.also, created({"resourceType": "Provenance"})))
        if wrong == "no place is free":
            return msgspec.structs.replace(decision, takes=(Hold("full", "a", 0),))
        return decision

    rule.decide = decide
    before = await rows(database)
    body = moved(stored, "accepted")
    if wrong == "a reference to nobody":
        body |= {"for": {"reference": "Patient/nobody-knows"}}
    answer = await Fhir(fhir.peers, fhir.caller, introduces=False).put(f"/{work}", body)
    assert answer.status_code == {"also is refused": 500, "no place is free": 409}.get(wrong, 422), answer.text
    assert await rows(database) == before


async def test_the_platform_writes_beside_a_change_what_its_author_may_not(fhir: Fhir, rule: Rule) -> None:
    """The fulfiller accepts; the request is the placer's, and stays so."""
    elder = f"Patient/{(await fhir.created(patient()))['id']}"
    order, work = located(await referral(fhir, elder))
    stored = (await fhir.get(f"/{work}")).json()
    owned = stored | {"owner": {"reference": "Organization/other"}}
    sent = (await fhir.put(f"/{work}", owned)).json()
    rule.decide = with_request
    other = fhir.as_(client="other-his", organization="other")
    assert_outcome(await other.put(f"/{order}", {}), 400, "required")
    answer = await other.put(f"/{work}", moved(sent, "accepted"))
    assert answer.status_code == 200, answer.text
    assert (await fhir.get(f"/{order}")).json()["status"] == "completed"
    assert (await fhir.put(f"/{order}", (await fhir.get(f"/{order}")).json())).status_code == 200


async def test_a_bundle_is_decided_on_once_with_its_companions(fhir: Fhir, rule: Rule) -> None:
    elder = f"Patient/{(await fhir.created(patient()))['id']}"
    first, second, weight = urn(), urn(), urn()
    work = [task(id="ignored", input=[_input(weight)]) | {"for": {"reference": elder}} for _ in range(2)]
    response = await fhir.post(
        "/",
        transaction(create(work[0], first), create(observation(elder), weight), create(work[1], second)),
    )
    places = located(response)
    (changes,), (others,) = rule.asked, rule.others
    assert [f"{each.type}/{each.id}" for each in changes] == [places[0], places[2]]
    assert [each.version for each in changes] == [1, 1]
    assert list(others) == [places[1]]
    assert others[places[1]]["id"] == places[1].partition("/")[2]
    assert changes[0].after is not None
    assert changes[0].after["input"][0]["valueReference"]["reference"] == places[1]


def _input(reference: str) -> Json:
    return {"type": {"text": "材料"}, "valueReference": {"reference": reference}}


async def test_a_companion_that_is_not_valid_is_refused_and_not_shown(fhir: Fhir, rule: Rule) -> None:
    broken = observation() | {"component": "none"}
    answer = await fhir.post("/", transaction(create(task()), create(broken)))
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert all(others == {} for others in rule.others)


async def test_an_entry_that_the_platform_changes_too_is_refused(fhir: Fhir, rule: Rule) -> None:
    elder = f"Patient/{(await fhir.created(patient()))['id']}"
    order, work = located(await referral(fhir, elder))
    stored, ordered = (await fhir.get(f"/{work}")).json(), (await fhir.get(f"/{order}")).json()
    rule.decide = with_request
    both = transaction(entry("PUT", work, moved(stored, "accepted")), entry("PUT", order, ordered))
    assert_outcome(await fhir.post("/", both), 409, "conflict", "Bundle.entry[1]")


async def test_digits_that_the_business_leaves_alone_stay_as_they_were_sent(fhir: Fhir, rule: Rule) -> None:
    async def stamped(changes: Sequence[Change], _others: Mapping[str, Json], _context: Context) -> Decision:
        return Decision(bodies={0: {**(changes[0].after or {}), "description": "加注"}})

    rule.decide = stamped
    kept = b'"input":[{"type":{"text":"kg"},"valueDecimal":1.50E+1}]'
    body = json.dumps(task(), ensure_ascii=False).encode()[:-1] + b"," + kept + b"}"
    answer = await fhir.post("/Task", body)
    assert answer.json()["description"] == "加注"
    assert kept in answer.content


# ---- what it rests on -----------------------------------------------------------------------------------------------------


async def test_a_decision_on_what_has_changed_meanwhile_is_made_again(fhir: Fhir, rule: Rule) -> None:
    elder = f"Patient/{(await fhir.created(patient()))['id']}"
    order, work = located(await referral(fhir, elder))
    stored, ordered = (await fhir.get(f"/{work}")).json(), (await fhir.get(f"/{order}")).json()
    seen: list[int] = []

    async def rests(changes: Sequence[Change], _others: Mapping[str, Json], context: Context) -> Decision:
        if changes[0].type != "Task":
            return Decision()
        found = await context.read(*order.split("/"))
        assert found is not None
        seen.append(found[1])
        if len(seen) == 1:
            await fhir.put(f"/{order}", ordered | {"priority": "urgent"})
        kind, resource_id = order.split("/")
        return Decision(rests_on=((kind, resource_id, found[1]),))

    rule.decide = rests
    answer = await fhir.put(f"/{work}", moved(stored, "accepted"))
    assert answer.status_code == 200, answer.text
    assert seen == [1, 2]
    assert answer.json()["meta"]["versionId"] == "2"


async def test_two_decisions_that_rest_on_each_others_resources_never_both_stand(fhir: Fhir, rule: Rule) -> None:
    """Write skew: each accepts its own Task as long as the other one is not accepted."""

    async def alone(changes: Sequence[Change], _others: Mapping[str, Json], context: Context) -> Decision:
        (change,) = changes
        assert change.after is not None
        if change.after["status"] != "accepted":
            return Decision()
        sibling = change.after["description"]
        found = await context.read("Task", sibling)
        assert found is not None
        if found[0]["status"] == "accepted":
            raise refusal()
        return Decision(rests_on=(("Task", sibling, found[1]),))

    for _ in range(20):
        one, two = f"a-{uuid4()}", f"b-{uuid4()}"
        bodies = [task(id=one, description=two), task(id=two, description=one)]
        for body in bodies:
            assert (await fhir.put(f"/Task/{body['id']}", body)).status_code == 201
        rule.decide = alone
        answers = await asyncio.gather(*(fhir.put(f"/Task/{b['id']}", moved(b, "accepted")) for b in bodies))
        assert sorted(each.status_code for each in answers) == [200, 422]
        rule.decide = as_they_are


# ---- places ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 3])
async def test_exactly_as_many_as_there_are_places_get_one_and_a_freed_one_is_taken_again(
    fhir: Fhir, rule: Rule, capacity: int
) -> None:
    key = f"bed:{uuid4()}"

    async def takes(changes: Sequence[Change], _others: Mapping[str, Json], _context: Context) -> Decision:
        (change,) = changes
        holder = f"Task/{change.id}"
        if change.after is None:
            return Decision(frees=(holder,))
        return Decision(takes=(Hold(key, holder, capacity),))

    rule.decide = takes
    answers = await asyncio.gather(*(fhir.post("/Task", task()) for _ in range(20)))
    made = [each.json()["id"] for each in answers if each.status_code == 201]
    assert len(made) == capacity
    for each in answers:
        if each.status_code != 201:
            assert_outcome(each, 409, "conflict")
    assert_outcome(await fhir.post("/Task", task()), 409, "conflict")
    assert (await fhir.delete(f"/Task/{made[0]}")).status_code == 204
    assert (await fhir.post("/Task", task())).status_code == 201
    assert_outcome(await fhir.post("/Task", task()), 409, "conflict")


async def test_a_place_whose_time_is_over_is_free_and_ones_own_is_kept(fhir: Fhir, rule: Rule) -> None:
    key, seen = f"slot:{uuid4()}", []

    async def takes(changes: Sequence[Change], _others: Mapping[str, Json], context: Context) -> Decision:
        seen.append(((await context.holders([key])).get(key), dict(await context.held([key]))))
        until = context.at + timedelta(milliseconds=300)
        return Decision(takes=(Hold(key, f"Task/{changes[0].id}", until=until),))

    rule.decide = takes
    made = (await fhir.post("/Task", task())).json()
    again = await fhir.put(f"/Task/{made['id']}", made)
    assert again.status_code == 200, again.text
    assert_outcome(await fhir.post("/Task", task()), 409, "conflict")
    await asyncio.sleep(0.4)
    assert (await fhir.post("/Task", task())).status_code == 201
    mine = (f"Task/{made['id']}", {key: 1})
    assert seen[:2] == [(None, {}), mine]
    assert seen[-1] == (None, {})


async def test_who_finds_no_place_is_asked_once_more_and_can_say_why(fhir: Fhir, rule: Rule) -> None:
    key = f"twin:{uuid4()}"

    async def alone(changes: Sequence[Change], _others: Mapping[str, Json], context: Context) -> Decision:
        if holder := (await context.holders([key])).get(key):
            raise conflict(f"{holder} is there already", code="duplicate")
        return Decision(takes=(Hold(key, f"Task/{changes[0].id}"),))

    rule.decide = alone
    answers = await asyncio.gather(*(fhir.post("/Task", task()) for _ in range(10)))
    first = next(each.json()["id"] for each in answers if each.status_code == 201)
    for each in answers:
        if each.status_code != 201:
            outcome = assert_outcome(each, 409, "duplicate")
            assert outcome["issue"][0]["diagnostics"] == f"Task/{first} is there already"


# ---- the version that one changes -----------------------------------------------------------------------------------------


async def test_who_changes_what_is_guarded_says_which_version(fhir: Fhir, rule: Rule) -> None:
    """https://www.rfc-editor.org/rfc/rfc6585#section-3"""
    rule.guarded = lambda kind, there: kind == "Task" and there.get("description") == "guarded"
    stored = await fhir.created(task(description="guarded"))
    path, body = f"/Task/{stored['id']}", moved(stored, "received")
    patched = json.dumps([{"op": "replace", "path": "/status", "value": "received"}]).encode()
    for answer in (
        await fhir.put(path, body),
        await fhir.put(f"/Task?_id={stored['id']}", body),
        await fhir.call("PATCH", path, patched, content_type="application/json-patch+json"),
        await fhir.post("/", transaction(entry("PUT", path[1:], body))),
    ):
        assert_outcome(answer, 428, "required")
    assert (await fhir.put(path, body)).headers["etag"] == 'W/"1"'
    assert_outcome(await fhir.put(path, body, if_match='W/"7"'), 412, "conflict")
    named = transaction(entry("PUT", path[1:], body, ifMatch='W/"1"'))
    assert (await fhir.post("/", named)).status_code == 200
    assert (await fhir.put(path, body, if_match='W/"2"')).status_code == 200
    label = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
    parameters = {"resourceType": "Parameters", "parameter": [label]}
    assert (await fhir.post(f"{path}/$meta-add", parameters)).status_code == 200
    free = await fhir.created(task())
    assert (await fhir.put(f"/Task/{free['id']}", free)).status_code == 200


async def test_what_is_held_for_a_patient_is_told_to_nobody_who_may_not_name_her(fhir: Fhir, rule: Rule) -> None:
    elder = await fhir.created(patient())

    async def one_at_a_time(changes: Sequence[Change], _others: Mapping[str, Json], _context: Context) -> Decision:
        return Decision(takes=(Hold(f"only:{elder['id']}", f"Task/{changes[0].id}"),))

    rule.decide = one_at_a_time
    of_her = task() | {"for": {"reference": f"Patient/{elder['id']}"}}
    await fhir.created(of_her)
    assert_outcome(await fhir.post("/Task", of_her), 409, "conflict")
    stranger = fhir.as_(client="another-his", organization="another-home")
    assert_outcome(await stranger.post("/Task", of_her), 422, "not-found", "Task.for")
