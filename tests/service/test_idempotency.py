"""Idempotency-Key: one effect however often it is asked for, and the first answer again (docs/adr/0035).

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.fhir.store import idempotency
from services.fhir.store.store import Store
from services.fhir.sweeper import Sweeper
from services.kit.clock import LeapingClock, SystemClock
from services.kit.database import Database
from tests.builders import batch, create, entry, known_patient, observation, patient, task, transaction
from tests.bulk import database
from tests.house import Fhir, Response
from tests.matchers import assert_outcome

__all__ = ["database"]

Json = dict[str, Any]


@pytest.fixture
def key() -> str:
    return f"key-{uuid4()}"


def named(mark: str) -> Json:
    return patient(identifier=[{"system": "http://example.org", "value": mark}])


async def count(fhir: Fhir, mark: str) -> int:
    found: int = (await fhir.get(f"/Patient?identifier={mark}&_summary=count")).json()["total"]
    return found


def is_replayed(answer: Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def assert_replays(first: Response, again: Response) -> None:
    assert not is_replayed(first)
    assert is_replayed(again)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("etag", "location", "last-modified", "content-location"):
        assert again.headers.get(name) == first.headers.get(name)


# ---- every POST that leaves something -------------------------------------------------------------------------------------


async def test_a_create_is_answered_as_the_first_time(fhir: Fhir, key: str) -> None:
    first = await fhir.post("/Patient", named(key), idempotency_key=key)
    again = await fhir.post("/Patient", named(key), idempotency_key=key)
    assert first.status_code == 201
    assert_replays(first, again)
    assert await count(fhir, key) == 1


async def test_the_first_answer_comes_again_also_when_things_have_moved_on(fhir: Fhir, key: str) -> None:
    first = await fhir.post("/Patient", named(key), idempotency_key=key)
    stored = first.json()
    await fhir.put(f"/Patient/{stored['id']}", stored | {"gender": "female"})
    assert_replays(first, await fhir.post("/Patient", named(key), idempotency_key=key))
    await fhir.delete(f"/Patient/{stored['id']}")
    assert_replays(first, await fhir.post("/Patient", named(key), idempotency_key=key))


async def test_a_conditional_create_that_matched_is_remembered_too(fhir: Fhir, key: str) -> None:
    stored = await fhir.created(named(key))
    asked = {"if_none_exist": f"identifier={key}", "idempotency_key": key}
    first = await fhir.post("/Patient", named(key), **asked)
    assert first.status_code == 200
    await fhir.delete(f"/Patient/{stored['id']}")
    assert_replays(first, await fhir.post("/Patient", named(key), **asked))


async def test_a_transaction_is_done_once(fhir: Fhir, key: str) -> None:
    bundle = transaction(create(named(key)), create(task()), entry("GET", f"Patient?identifier={key}"))
    first = await fhir.post("/", bundle, idempotency_key=key)
    assert first.status_code == 200, first.text
    assert_replays(first, await fhir.post("/", bundle, idempotency_key=key))
    assert await count(fhir, key) == 1


async def test_each_entry_of_a_batch_is_done_once(fhir: Fhir, key: str) -> None:
    stored = await fhir.created(patient())
    wrong = observation() | {"status": "none"}
    bundle = batch(
        create(named(key)), create(wrong), entry("PUT", f"Patient/{stored['id']}", stored | {"active": True})
    )
    first = await fhir.post("/", bundle, idempotency_key=key)
    again = await fhir.post("/", bundle, idempotency_key=key)
    assert_replays(first, again)
    assert await count(fhir, key) == 1
    assert (await fhir.get(f"/Patient/{stored['id']}")).headers["etag"] == 'W/"2"'


async def test_an_operation_is_done_once(fhir: Fhir, key: str) -> None:
    stored = await fhir.created(patient())
    label = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
    asked = (f"/Patient/{stored['id']}/$meta-add", {"resourceType": "Parameters", "parameter": [label]})
    first = await fhir.post(*asked, idempotency_key=key)
    assert_replays(first, await fhir.post(*asked, idempotency_key=key))
    assert (await fhir.get(f"/Patient/{stored['id']}")).headers["etag"] == 'W/"2"'


async def test_a_job_is_started_once(fhir: Fhir, key: str) -> None:
    fhir = fhir.as_(client=f"exporter-{key}")
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueString": "Basic"}]}
    asked = {"idempotency_key": key, "prefer": "respond-async"}
    first = await fhir.post("/$export", parameters, **asked)
    assert first.status_code == 202, first.text
    assert_replays(first, await fhir.post("/$export", parameters, **asked))


async def test_the_header_stands_where_clients_look_for_it(fhir: Fhir) -> None:
    statement = (await fhir.get("/metadata")).json()
    assert "Idempotency-Key" in statement["rest"][0]["documentation"]
    described = (await fhir.peers.call("records", "GET", "/internal/openapi", [], b"")).body
    paths = json.loads(described)["paths"]
    key = {"$ref": "#/components/parameters/Idempotency-Key"}
    for path in ("/fhir", "/fhir/Patient", "/fhir/Patient/{id}/$meta-add", "/fhir/$import"):
        assert key in paths[path]["post"]["parameters"], path
    assert key not in paths["/fhir/Patient/_search"]["post"].get("parameters", ())


async def test_what_only_asks_is_asked_again(fhir: Fhir, key: str) -> None:
    form = {"content_type": "application/x-www-form-urlencoded", "idempotency_key": key}
    body = f"identifier={key}&_total=accurate".encode()
    assert (await fhir.post("/Patient/_search", body, **form)).json()["total"] == 0
    await fhir.created(named(key))
    again = await fhir.post("/Patient/_search", body, **form)
    assert again.json()["total"] == 1
    assert not is_replayed(again)
    assert not is_replayed(await fhir.post("/Patient/$validate", patient(), idempotency_key=key))


# ---- who may ask, and what else it is --------------------------------------------------------------------------------------


async def test_another_request_under_the_key_is_refused(fhir: Fhir, key: str) -> None:
    await fhir.post("/Patient", named(key), idempotency_key=key)
    for answer in (
        await fhir.post("/Patient", named("other"), idempotency_key=key),
        await fhir.post("/Basic", {"resourceType": "Basic"}, idempotency_key=key),
        await fhir.post("/Patient", named(key), idempotency_key=key, if_none_exist="identifier=x"),
        await fhir.post("/", transaction(create(patient())), idempotency_key=key),
    ):
        assert_outcome(answer, 422, "business-rule")


@pytest.mark.parametrize("wrong", ["", "with space", "x" * 256, "键"])
async def test_a_key_that_is_none_is_refused(fhir: Fhir, wrong: str) -> None:
    assert_outcome(await fhir.post("/Patient", patient(), idempotency_key=wrong), 400, "value")


async def test_a_key_is_its_clients_and_organizations_own(fhir: Fhir, key: str) -> None:
    first = await fhir.post("/Patient", named(key), idempotency_key=key)
    others = (fhir.as_(client="other"), fhir.as_(organization="other"), fhir.as_(practitioner="Practitioner/other"))
    answers = [await each.post("/Patient", named(key), idempotency_key=key) for each in others]
    assert [each.status_code for each in answers] == [201] * 3
    assert len({each.json()["id"] for each in (first, *answers)}) == 4


async def test_what_was_refused_can_be_asked_again(fhir: Fhir, key: str) -> None:
    wrong = observation() | {"status": "none"}
    assert (await fhir.post("/Observation", wrong, idempotency_key=key)).status_code == 422
    assert (await fhir.post("/Observation", observation(), idempotency_key=key)).status_code == 201


async def test_who_no_longer_sees_what_was_answered_is_told_nothing(fhir: Fhir, key: str) -> None:
    """The home writes of a patient while it cares for her; then her institution withdraws that."""
    home = fhir.as_(client="home-his", organization=f"home-{key}")
    elder = await fhir.created(patient())
    stay = {"resourceType": "Encounter", "status": "in-progress", "class": {"code": "IMP"}}
    stay |= {
        "subject": {"reference": f"Patient/{elder['id']}"},
        "serviceProvider": {"reference": f"Organization/home-{key}"},
    }
    admitted = await fhir.created(stay)
    label = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
    asked = (f"/Patient/{elder['id']}/$meta-add", {"resourceType": "Parameters", "parameter": [label]})
    first = await home.post(*asked, idempotency_key=key)
    assert first.status_code == 200, first.text
    assert_replays(first, await home.post(*asked, idempotency_key=key))
    await fhir.put(f"/Encounter/{admitted['id']}", admitted | {"status": "entered-in-error"})
    assert_outcome(await home.post(*asked, idempotency_key=key), 404, "not-found")


async def test_a_replay_stands_in_the_audit_as_a_read(fhir: Fhir, key: str, database: Database) -> None:
    fhir = fhir.as_(request_id=f"r-{key}"[:60])
    for _ in range(3):
        await fhir.post("/Patient", named(key), idempotency_key=key)
    async with database.connection() as connection:
        sql = "SELECT interaction FROM fhir.audit WHERE request = $1 ORDER BY at"
        found = [r["interaction"] for r in await connection.fetch(sql, fhir.caller.request_id)]
    assert found == ["create", "read", "read"]


async def test_neither_the_key_nor_a_persons_name_stands_beside_it(fhir: Fhir, key: str, database: Database) -> None:
    await fhir.post("/Patient", known_patient(), idempotency_key=key)
    async with database.connection() as connection:
        assert (
            await connection.fetchval("SELECT count(*) FROM fhir.idempotency WHERE key LIKE '%' || $1 || '%'", key) == 0
        )


# ---- at once, and killed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["create", "transaction"])
async def test_of_twenty_at_once_there_is_one_effect(fhir: Fhir, key: str, kind: str) -> None:
    path, body = ("/Patient", named(key)) if kind == "create" else ("/", transaction(create(named(key))))
    answers = await asyncio.gather(*(fhir.post(path, body, idempotency_key=key) for _ in range(20)))
    done = [each for each in answers if each.status_code in (200, 201)]
    assert len({each.content for each in done}) == 1
    assert len([each for each in done if not is_replayed(each)]) == 1
    for each in answers:
        if each not in done:
            assert_outcome(each, 409, "lock-error")
            assert each.headers["retry-after"] == "1"
    assert await count(fhir, key) == 1


class KilledError(BaseException):
    """The process is gone: nothing behind this line runs."""


async def test_who_is_killed_before_the_commit_has_left_nothing_and_the_key_comes_free(
    fhir: Fhir, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "keep", killed)
        patched.setattr(idempotency, "release", killed)
        with pytest.raises(KilledError):
            await fhir.post("/Patient", named(key), idempotency_key=key)
    assert_outcome(await fhir.post("/Patient", named(key), idempotency_key=key), 409, "lock-error")
    assert_outcome(await fhir.post("/Patient", named("other"), idempotency_key=key), 422, "business-rule")
    assert await count(fhir, key) == 0
    monkeypatch.setattr(SystemClock, "now", _in(idempotency.LEASE * 1.1))
    assert (await fhir.post("/Patient", named(key), idempotency_key=key)).status_code == 201
    assert await count(fhir, key) == 1


async def test_who_is_killed_behind_the_commit_has_been_remembered(
    fhir: Fhir, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Store) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Store, "_kept", killed)
        with pytest.raises(KilledError):
            await fhir.post("/Patient", named(key), idempotency_key=key)
    again = await fhir.post("/Patient", named(key), idempotency_key=key)
    assert again.status_code == 201
    assert is_replayed(again)
    assert await count(fhir, key) == 1


async def test_who_was_taken_for_dead_comes_too_late(fhir: Fhir, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is slow; the second takes its place and commits; of the first nothing is left."""
    keep, second = idempotency.keep, list[Response]()

    async def slow(*arguments: Any) -> None:
        monkeypatch.setattr(idempotency, "keep", keep)
        monkeypatch.setattr(SystemClock, "now", _in(idempotency.LEASE * 1.1))
        second.append(await fhir.post("/Patient", named(key), idempotency_key=key))
        await keep(*arguments)

    monkeypatch.setattr(idempotency, "keep", slow)
    first = await fhir.post("/Patient", named(key), idempotency_key=key)
    assert_outcome(first, 409, "conflict")
    assert second[0].status_code == 201
    assert await count(fhir, key) == 1


def _in(ahead: timedelta) -> Any:
    now = SystemClock.now

    def later(clock: SystemClock) -> Any:
        return now(clock) + ahead

    return later


async def test_a_key_is_remembered_for_seven_days_and_then_forgotten(
    fhir: Fhir, key: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = LeapingClock()
    sweeper = Sweeper(database, clock, timedelta(days=7))
    first = await fhir.post("/Patient", named(key), idempotency_key=key)
    clock.leap(timedelta(days=6, hours=23))
    await sweeper.sweep()
    assert_replays(first, await fhir.post("/Patient", named(key), idempotency_key=key))
    monkeypatch.setattr(SystemClock, "now", _in(timedelta(days=7, hours=1)))
    made = await fhir.post("/Patient", named(key), idempotency_key=key)
    assert not is_replayed(made)
    clock.leap(timedelta(days=9))
    await sweeper.sweep()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM fhir.idempotency") == 0
