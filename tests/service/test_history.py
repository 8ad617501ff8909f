"""What history tells of the past, and that a reader by `_since` misses no commit: http://hl7.org/fhir/R4/http.html#history"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from services.fhir.store.shards import shard_of
from tests.builders import CHINA, create, entry, observation, patient, transaction
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("clean_database")  # other tests let time leap: what they wrote would be newer


def _basic(text: str = "x") -> Json:
    return {"resourceType": "Basic", "code": {"text": text}}


async def _history(fhir: Fhir, path: str, **parameters: str) -> Json:
    query = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    response = await fhir.get(f"{path}/_history" + (f"?{query}" if query else ""))
    assert response.status_code == 200, response.text
    bundle: Json = response.json()
    return bundle


def _versions(bundle: Json) -> list[str]:
    return [f"{e['fullUrl'].rpartition('/')[2]}/{e['response']['etag'][3:-1]}" for e in bundle.get("entry", ())]


def _updated(resource: Json) -> datetime:
    return datetime.fromisoformat(resource["meta"]["lastUpdated"])


async def _three_versions(fhir: Fhir) -> tuple[str, list[datetime]]:
    """A resource that was created, updated and deleted, some milliseconds apart."""
    stored = await fhir.created(_basic())
    path = f"/Basic/{stored['id']}"
    await asyncio.sleep(0.02)
    changed = (await fhir.put(path, stored)).json()
    await asyncio.sleep(0.02)
    await fhir.delete(path)
    deleted = (await _history(fhir, path))["entry"][0]["response"]["lastModified"]
    return path, [_updated(stored), _updated(changed), datetime.fromisoformat(deleted)]


async def test_since_is_inclusive_at_every_level(fhir: Fhir) -> None:
    path, (_, second, third) = await _three_versions(fhir)
    name = path.rpartition("/")[2]
    for level in (path, "/Basic", ""):
        assert _versions(await _history(fhir, level, _since=second.isoformat())) == [f"{name}/3", f"{name}/2"]
        later = third + timedelta(milliseconds=200)  # when it was written counts too, a little later
        assert _versions(await _history(fhir, level, _since=later.isoformat())) == []


async def test_at_gives_what_was_current_then(fhir: Fhir) -> None:
    path, (first, second, third) = await _three_versions(fhir)
    name = path.rpartition("/")[2]
    instant = timedelta(milliseconds=5)
    for level in (path, "/Basic", ""):
        for moment, versions in (
            (first - instant, []),
            (first + instant, [f"{name}/1"]),
            (second + instant, [f"{name}/2"]),
            (third + instant, []),
        ):
            at = moment.isoformat(timespec="milliseconds")
            found = _versions(await _history(fhir, level, _at=at))
            assert [v for v in found if v.startswith(name)] == versions, (level, at)
    day = first.astimezone(CHINA).date()  # a date without a time is one of the service's zone
    today = _versions(await _history(fhir, path, _at=day.isoformat()))
    assert today == [f"{name}/3", f"{name}/2", f"{name}/1"]


async def test_pages_under_equal_instants_repeat_and_miss_nothing(fhir: Fhir) -> None:
    """A transaction gives all its versions one instant or nearly so."""
    answer = await fhir.post("/", transaction(*(create(_basic(str(n))) for n in range(23))))
    made = {e["response"]["location"].split("/")[1] for e in answer.json()["entry"]}
    seen: list[str] = []
    path = "/Basic/_history?_count=5"
    while path:
        page = (await fhir.get(path)).json()
        seen += _versions(page)
        path = next((link["url"].removeprefix(BASE) for link in page["link"] if link["relation"] == "next"), "")
    assert len(seen) == len(set(seen))
    assert {f"{name}/1" for name in made} <= set(seen[:23])


async def test_what_history_cannot_take_is_refused(fhir: Fhir) -> None:
    assert_outcome(await fhir.get("/Basic/_history?_since=yesterday"), 400, "value")
    assert_outcome(await fhir.get("/Basic/_history?_at=13"), 400, "value")
    assert_outcome(await fhir.get("/Basic/_history?_count=0"), 400, "value")
    assert_outcome(await fhir.get("/Basic/_history?_sort=_lastUpdated"), 400, "not-supported")
    assert_outcome(await fhir.get("/Basic/_history?_cursor=AAAA"), 400, "value")


async def test_a_page_link_is_of_what_was_asked(fhir: Fhir) -> None:
    await fhir.post("/", transaction(*(create(_basic(str(n))) for n in range(3))))
    page = (await fhir.get("/Basic/_history?_count=1&_since=2020")).json()
    link = next(link["url"] for link in page["link"] if link["relation"] == "next").removeprefix(BASE)
    assert (await fhir.get(link)).status_code == 200
    assert_outcome(await fhir.get(link.replace("2020", "2021")), 400, "value")


async def test_lastupdated_never_goes_back(fhir: Fhir) -> None:
    stored = await fhir.created(_basic())
    for _ in range(5):
        following = (await fhir.put(f"/Basic/{stored['id']}", stored)).json()
        assert following["meta"]["lastUpdated"] >= stored["meta"]["lastUpdated"]
        stored = following


@asynccontextmanager
async def _held(url: str, sql: str, *values: Any) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of somebody else that holds what it locked until the block ends."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(sql, *values)
            yield connection
    finally:
        await connection.close()


async def test_a_reader_waits_for_the_commits_under_way(fhir: Fhir, database_url: str) -> None:
    """The transaction has written its Basic, and waits for the Patient that somebody holds."""
    person = await fhir.created(patient())
    async with _held(database_url, "SELECT FROM fhir.patient WHERE id = $1 FOR UPDATE", person["id"]):
        both = transaction(create(_basic("late")), entry("PUT", f"Patient/{person['id']}", person))
        writer = asyncio.create_task(fhir.post("/", both))
        await asyncio.sleep(0.3)
        reader = asyncio.create_task(fhir.get("/Basic/_history"))
        await asyncio.sleep(0.2)
        assert not reader.done()
    late = (await writer).json()["entry"][0]["response"]["location"]
    assert late in [f"Basic/{v.replace('/', '/_history/')}" for v in _versions((await reader).json())]


async def test_who_asks_from_the_last_page_on_misses_no_version_that_was_prepared_before_it(
    fhir: Fhir, database_url: str
) -> None:
    """The update has its instant already, and waits for the claim of its id: the reader cannot know of it."""
    person = await fhir.created(patient())
    key = "Observation/late-observation"
    resource = observation(f"Patient/{person['id']}", id="late-observation")
    insert = "INSERT INTO fhir.unique_claim (key, shard, turn) VALUES ($1, $2, 5)"
    async with _held(database_url, insert, key, shard_of(key)) as other:
        writer = asyncio.create_task(fhir.put(f"/{key}", resource))
        await asyncio.sleep(0.2)
        page = await _history(fhir, "/Observation")
        assert "late-observation/1" not in _versions(page)
        await other.execute("DELETE FROM fhir.unique_claim WHERE key = $1", key)
    stored = (await writer).json()
    for level in ("/Observation", "", f"/{key}"):
        found = await _history(fhir, level, _since=page["meta"]["lastUpdated"])
        assert "late-observation/1" in _versions(found), (level, stored["meta"], page["meta"])
