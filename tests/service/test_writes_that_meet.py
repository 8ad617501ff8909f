"""Writes that leave in one statement stay commits of their own: docs/adr/0023"""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from tests.builders import known_patient, observation, patient
from tests.house import Fhir
from tests.matchers import assert_outcome


@pytest.fixture
def strict(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"meeting-{uuid4().hex[:6]}")


async def test_what_is_refused_hurts_nobody_that_left_with_it(strict: Fhir) -> None:
    person = (await strict.created(patient()))["id"]
    bodies = [observation(f"Patient/{person if n % 3 else 'nobody-here'}") for n in range(12)]
    answers = await asyncio.gather(*(strict.post("/Observation", body) for body in bodies))
    assert [a.status_code for a in answers] == [201 if n % 3 else 422 for n in range(12)]
    assert_outcome(answers[0], 422, "not-found", "Observation.subject")
    found = (await strict.get(f"/Observation?patient={person}&_summary=count")).json()
    assert found["total"] == 8


async def test_of_two_people_with_one_identity_one_is_registered_and_the_other_met(strict: Fhir) -> None:
    twins = known_patient()
    people = [twins, *(known_patient() for _ in range(5)), twins | {"active": True}]
    answers = await asyncio.gather(*(strict.post("/Patient", person) for person in people))
    assert sorted(a.status_code for a in (answers[0], answers[-1])) == [200, 201]
    assert answers[0].json()["id"] == answers[-1].json()["id"]
    assert {a.status_code for a in answers[1:-1]} == {201}
    for answer in answers:
        assert (await strict.get(f"/Patient/{answer.json()['id']}")).status_code == 200


async def test_updates_that_meet_are_each_the_next_version(strict: Fhir) -> None:
    people = [await strict.created(patient()) for _ in range(4)]
    answers = await asyncio.gather(*(strict.put(f"/Patient/{p['id']}", p) for p in people for _ in range(3)))
    assert {a.status_code for a in answers} == {200}
    for n, person in enumerate(people):
        versions = sorted(a.json()["meta"]["versionId"] for a in answers[3 * n : 3 * n + 3])
        assert versions == ["2", "3", "4"]
        history = (await strict.get(f"/Patient/{person['id']}/_history")).json()
        assert [e["resource"]["meta"]["versionId"] for e in history["entry"]] == ["4", "3", "2", "1"]


async def test_a_stale_update_is_refused_alone(strict: Fhir) -> None:
    people = [await strict.created(patient()) for _ in range(6)]
    tags = ['W/"7"' if n == 2 else 'W/"1"' for n in range(6)]
    answers = await asyncio.gather(
        *(strict.put(f"/Patient/{p['id']}", p, if_match=tag) for p, tag in zip(people, tags, strict=True))
    )
    assert [a.status_code for a in answers] == [200, 200, 412, 200, 200, 200]


async def test_each_write_is_remembered_once(strict: Fhir, database_url: str) -> None:
    answers = await asyncio.gather(*(strict.post("/Patient", patient()) for _ in range(9)))
    names = [a.json()["id"] for a in answers]
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        sql = "SELECT id, count(*) AS n, min(version) AS version FROM fhir.audit WHERE id = ANY($1) GROUP BY id"
        rows = await connection.fetch(sql, names)
        changes = await connection.fetchval("SELECT count(*) FROM fhir.change WHERE id = ANY($1)", names)
    finally:
        await connection.close()
    assert {(r["id"], r["n"], r["version"]) for r in rows} == {(name, 1, 1) for name in names}
    assert changes == 9


async def test_whoever_is_new_is_in_reach_of_who_registered_it_and_of_nobody_else(strict: Fhir) -> None:
    other = strict.as_(organization=f"other-{uuid4().hex[:6]}")
    answers = await asyncio.gather(*(strict.post("/Patient", patient()) for _ in range(6)))
    pulses = [observation(f"Patient/{a.json()['id']}") for a in answers]
    own = await asyncio.gather(*(strict.post("/Observation", pulse) for pulse in pulses))
    foreign = await asyncio.gather(*(other.post("/Observation", pulse) for pulse in pulses))
    assert ({a.status_code for a in own}, {a.status_code for a in foreign}) == ({201}, {422})


async def test_an_identity_given_up_in_an_update_is_free_again(strict: Fhir) -> None:
    person = await strict.created(known_patient())
    without = {name: value for name, value in person.items() if name != "identifier"}
    assert (await strict.put(f"/Patient/{person['id']}", without)).status_code == 200
    again = known_patient(identifier=person["identifier"])
    assert (await strict.post("/Patient", again)).status_code == 201
    assert_outcome(await strict.put(f"/Patient/{person['id']}", person), 409, "duplicate")
