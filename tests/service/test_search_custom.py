"""Search parameters of one's own: http://hl7.org/fhir/R4/searchparameter.html (docs/adr/0022)"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.fhir import reindexing
from services.fhir.search.index import index
from services.fhir.search.registry import Learnt, learn
from services.fhir.store import reindex
from services.fhir.store.vault import Vault
from services.kit.clock import StillClock
from services.kit.database import Database
from tests.builders import known_patient, observation
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.shelf import Shelf

TRIBE = "http://example.org/tribe"
SINCE = "http://example.org/since"


@pytest.fixture
async def shelf(fhir: Fhir, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    """Nothing is remembered from one look to the next, and the work may begin at once."""
    monkeypatch.setattr(reindexing, "FRESH_SECONDS", 0)
    monkeypatch.setattr(reindexing, "SETTLE", timedelta(0))
    shelf = Shelf(fhir)
    yield shelf
    for stored in shelf.stored.values():
        if stored["resourceType"] == "SearchParameter":
            await fhir.delete(f"/SearchParameter/{stored['id']}")
    learn(Learnt())


def parameter(code: str, kind: str, expression: str, *bases: str, **changes: Any) -> Any:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{uuid4()}",
        "name": "own",
        "status": "active",
        "description": "own",
        "code": code,
        "base": list(bases),
        "type": kind,
        "expression": expression,
    } | changes


def extended(url: str, **value: Any) -> Any:
    return known_patient(extension=[{"url": url} | value])


async def indexed(shelf: Shelf, name: str, database_url: str, vault: Vault | None = None) -> None:
    """Let a worker do what there is to do."""
    await shelf.fhir.get("/Patient?_count=0")  # whoever serves a request learns first
    database = Database(database_url)
    try:
        learner = reindexing.Learner(database, StillClock(datetime.now(UTC) + timedelta(days=1)))
        await learner.fresh()
        async with database.connection() as connection:
            while await reindex.step(connection, _indexes(), learner.versions, timedelta(0), vault):
                pass
    finally:
        await database.close()
    answer = (await shelf.fhir.get(f"/SearchParameter/{shelf.id(name)}/$index-status")).json()
    assert answer["parameter"][0] == {"name": "state", "valueCode": "done"}


def _indexes() -> dict[str, Any]:
    return {each: index(each, BASE) for each in ("Patient", "Observation")}


async def test_a_stored_parameter_finds_what_was_there_before_and_what_comes_after(
    shelf: Shelf, database_url: str
) -> None:
    await shelf.put(before=extended(TRIBE, valueString="蒙古族"), other=known_patient())
    await shelf.put(
        own=parameter("tribe", "string", f"Patient.extension.where(url = '{TRIBE}').value.ofType(string)", "Patient")
    )
    assert_outcome(await shelf.fhir.get("/Patient?tribe=蒙古".replace("蒙古", "%E8%92%99")), 400, "not-supported")
    await indexed(shelf, "own", database_url)
    await shelf.put(after=extended(TRIBE, valueString="蒙古"))
    assert await shelf.found("Patient", "tribe=蒙古") == {"before", "after"}
    assert await shelf.found("Patient", "tribe:exact=蒙古") == {"after"}
    assert await shelf.found("Patient", "tribe:missing=true") == {"other"}
    assert await shelf.listed("Patient", "_sort=-tribe&tribe:missing=false") == ["before", "after"]
    capability = (await shelf.fhir.get("/metadata")).json()["rest"][0]["resource"]
    listed = next(each for each in capability if each["type"] == "Patient")["searchParam"]
    assert [p["type"] for p in listed if p["name"] == "tribe"] == ["string"]


@pytest.mark.parametrize(
    ("kind", "value", "queries"),
    [
        ("date", {"valueDateTime": "2024-05-01"}, {"own-value=2024-05": True, "own-value=gt2024-05-01": False, "own-value=ge2024": True, "own-value=2023": False}),
        ("quantity", {"valueQuantity": {"value": 5, "system": "http://unitsofmeasure.org", "code": "mg"}}, {"own-value=gt0.004|http://unitsofmeasure.org|g": True, "own-value=6": False}),
        ("token", {"valueCodeableConcept": {"coding": [{"system": "s", "code": "c"}]}}, {"own-value=s|c": True, "own-value:not=c": False, "own-value=x": False}),
        ("uri", {"valueUri": "http://a.test/b"}, {"own-value:below=http://a.test": True, "own-value=http://a.test": False}),
        ("number", {"valueInteger": 7}, {"own-value=7": True, "own-value=lt7": False}),
    ],
)  # fmt: skip
async def test_every_type_of_value(
    shelf: Shelf, database_url: str, kind: str, value: Any, queries: dict[str, bool]
) -> None:
    await shelf.put(there=extended(SINCE, **value))
    await shelf.put(own=parameter("own-value", kind, f"Patient.extension('{SINCE}').value", "Patient"))
    await indexed(shelf, "own", database_url)
    for query, is_found in queries.items():
        assert (await shelf.found("Patient", query) == {"there"}) is is_found, query
    assert await shelf.listed("Patient", "_sort=own-value") == ["there"]


async def test_a_reference_can_be_chained_and_included(shelf: Shelf, database_url: str) -> None:
    await shelf.put(focus=known_patient(name=[{"family": "关注"}]))
    await shelf.put(
        own=parameter(
            "about", "reference", "Observation.focus.where(resolve() is Patient)", "Observation", target=["Patient"]
        ),
        seen=observation(focus=[{"reference": shelf.reference("focus")}]),
    )
    await indexed(shelf, "own", database_url)
    assert await shelf.found("Observation", "about.name=关注") == {"seen"}
    assert await shelf.found("Patient", "_has:Observation:about:code=8867-4") == {"focus"}
    assert shelf.names(await shelf.search("Observation", "_include=Observation:about"), "include") == ["focus"]


async def test_a_parameter_that_goes_is_unknown_again(shelf: Shelf, database_url: str) -> None:
    await shelf.put(own=parameter("alias", "string", "Patient.name.text", "Patient"))
    await indexed(shelf, "own", database_url)
    assert (await shelf.fhir.get("/Patient?alias=x", prefer="handling=strict")).status_code == 200
    await shelf.fhir.delete(f"/{shelf.reference('own')}")
    assert_outcome(await shelf.fhir.get("/Patient?alias=x", prefer="handling=strict"), 400, "not-supported")


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"code": "name"}, "code"),
        ({"code": "_own"}, "code"),
        ({"type": "special"}, "type"),
        ({"expression": "Patient.nothing"}, "expression"),
        ({"expression": "Patient.name.count() > 1"}, "expression"),
        ({"expression": "Observation.code"}, "expression"),
        ({"type": "date"}, "expression"),
        ({"expression": "Patient.identifier.where(system = 'urn:oid:1.2').value"}, "type"),
        ({"expression": "Patient.name.text | Patient.identifier.value"}, "type"),
    ],
)
async def test_what_cannot_be_served_is_stored_and_says_why(shelf: Shelf, changes: Any, element: str) -> None:
    resource = parameter("own-name", "string", "Patient.name.text", "Patient") | changes
    await shelf.put(own=resource, draft=resource | {"status": "draft"})
    answer = (await shelf.fhir.get(f"/{shelf.reference('own')}/$index-status")).json()["parameter"]
    assert answer[0]["valueCode"] == "refused"
    assert f"SearchParameter.{element}" in answer[1]["valueString"]
    draft = (await shelf.fhir.get(f"/{shelf.reference('draft')}/$index-status")).json()["parameter"]
    assert draft == [{"name": "state", "valueCode": "none"}]
    assert_outcome(await shelf.fhir.get("/Patient?own-name=x", prefer="handling=strict"), 400, "not-supported")


async def test_a_killed_worker_loses_one_batch_and_another_goes_on(
    shelf: Shelf, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "BATCH", 2)
    await shelf.put(**{f"p{n}": extended(TRIBE, valueString="回族") for n in range(5)})
    await shelf.put(own=parameter("people", "string", f"Patient.extension('{TRIBE}').value", "Patient"))
    await shelf.fhir.get("/Patient?_count=0")
    versions = {shelf.id("own"): 1}
    dead = await asyncpg.connect(database_url)
    transaction = dead.transaction()
    await transaction.start()
    assert await reindex.step(dead, _indexes(), versions, timedelta(0), None)
    other = await asyncpg.connect(database_url)
    assert not await reindex.step(other, _indexes(), versions, timedelta(0), None), (
        "the row is locked while somebody works on it"
    )
    dead.terminate()
    await asyncio.sleep(0.2)
    while await reindex.step(other, _indexes(), versions, timedelta(0), None):
        found = await reindex.progress(other, shelf.id("own"))
        assert found[0].total is not None
        assert found[0].done <= found[0].total
    await other.close()
    assert await shelf.found("Patient", "people=回族") == {f"p{n}" for n in range(5)}


async def test_what_an_older_server_stored_is_found_in_the_ways_that_the_engine_has_learnt(
    shelf: Shelf, database_url: str
) -> None:
    """docs/adr/0028: names as they are said."""
    await shelf.put(elder=known_patient(name=[{"text": "尉迟玉兰"}]))
    connection = await asyncpg.connect(database_url)
    strings = "ARRAY(SELECT s FROM unnest(strings) s WHERE s NOT LIKE '%:folded%')"
    await connection.execute(f"UPDATE fhir.patient SET strings = {strings} WHERE id = $1", shelf.id("elder"))
    assert await shelf.found("Patient", "name=yuchi") == set()
    await connection.execute("DELETE FROM fhir.reindex WHERE parameter = '~persons'")
    await connection.close()
    database = Database(database_url)
    learner = reindexing.Learner(database, StillClock(datetime.now(UTC) + timedelta(days=1)))
    await learner.fresh()
    async with database.connection() as session:
        while await reindex.step(session, _indexes(), learner.versions, timedelta(0), None):
            pass
    await database.close()
    assert await shelf.found("Patient", "name=yuchi") == {"elder"}
