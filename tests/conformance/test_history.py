"""History of an instance, a type and the system: http://hl7.org/fhir/R4/http.html#history"""

import asyncio
from datetime import datetime

import pytest

from services.fhir.served import ServedType
from services.fhir.validation import parse, validate
from tests.builders import create, patient, transaction
from tests.conformance.served import SERVED
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Json, link, pages

LEVELS = ("instance", "type", "system")


async def a_life(fhir: Fhir) -> Json:
    """A resource that was created, changed, deleted and brought back."""
    stored = await fhir.created(minimal("Linkage"))
    path = f"/Linkage/{stored['id']}"
    await fhir.put(path, stored | {"active": True})
    await fhir.delete(path)
    await fhir.put(path, stored | {"active": False})
    return stored


def history_path(level: str, stored: Json) -> str:
    place = {
        "instance": f"/{stored['resourceType']}/{stored['id']}",
        "type": f"/{stored['resourceType']}",
        "system": "",
    }
    return f"{place[level]}/_history"


@pytest.mark.parametrize("level", LEVELS)
async def test_versions_come_newest_first_and_a_deletion_has_no_resource(fhir: Fhir, level: str) -> None:
    """http://hl7.org/fhir/R4/http.html#history: request and response of each; a deletion is DELETE without a resource."""
    stored = await a_life(fhir)
    answer = await fhir.get(f"{history_path(level, stored)}?_count=4")
    bundle = answer.json()
    validate(parse(answer.content, "Bundle"))
    assert bundle["type"] == "history"
    url = f"Linkage/{stored['id']}"
    assert [e["fullUrl"] for e in bundle["entry"]] == [f"{BASE}/{url}"] * 4
    assert [(e["request"]["method"], e["request"]["url"]) for e in bundle["entry"]] == [
        ("PUT", url),
        ("DELETE", url),
        ("PUT", url),
        ("POST", "Linkage"),
    ]
    assert [e["response"]["status"][:3] for e in bundle["entry"]][1:] == ["204", "200", "201"]
    assert [e["response"]["etag"] for e in bundle["entry"]] == [f'W/"{n}"' for n in (4, 3, 2, 1)]
    assert [e.get("resource", {}).get("active") for e in bundle["entry"]] == [False, None, True, None]
    assert "resource" not in bundle["entry"][1]
    for entry in (bundle["entry"][0], *bundle["entry"][2:]):
        assert entry["resource"]["meta"]["lastUpdated"] == entry["response"]["lastModified"]


@pytest.mark.parametrize("served", [s for s in SERVED if "history-type" in s.interactions], ids=lambda s: s.type)
async def test_each_type_has_a_history_of_itself_alone(fhir: Fhir, served: ServedType) -> None:
    """http://hl7.org/fhir/R4/http.html#history: `[type]/_history`."""
    stored = await fhir.created(minimal(served.type))
    await fhir.created(patient() if served.type != "Patient" else minimal("Basic"))
    entries = (await fhir.get(f"/{served.type}/_history?_count=5")).json()["entry"]
    assert entries[0]["resource"] == stored
    assert {e["fullUrl"].split("/")[-2] for e in entries} == {served.type}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count", [1, 3])
async def test_pages_hold_every_version_once(fhir: Fhir, level: str, count: int) -> None:
    """http://hl7.org/fhir/R4/http.html#history: paged like a search."""
    stored = await a_life(fhir)
    path = history_path(level, stored)
    whole = (await fhir.get(f"{path}?_count=12")).json()["entry"]
    seen: list[Json] = []
    following: str | None = f"{path}?_count={count}"
    while following and len(seen) < 12:
        page = (await fhir.get(following)).json()
        seen += page["entry"]
        following = link(page, "next")
    assert seen[: len(whole)] == whole


@pytest.mark.parametrize("path", ["/_history", "/Basic/_history"])
async def test_versions_of_one_instant_are_told_apart_by_pages(fhir: Fhir, path: str) -> None:
    """http://hl7.org/fhir/R4/http.html#history: all that one transaction wrote has nearly the same lastUpdated."""
    answer = (await fhir.post("/", transaction(*[create(minimal("Basic")) for _ in range(25)]))).json()
    written = {e["response"]["location"].split("/")[1] for e in answer["entry"]}
    seen: list[str] = []
    following: str | None = f"{path}?_count=4"
    while following and len(seen) < 25:
        page = (await fhir.get(following)).json()
        seen += [e["fullUrl"].rpartition("/")[2] for e in page["entry"]]
        following = link(page, "next")
    assert {*seen[:25]} == written
    assert len({*seen[:25]}) == 25


async def test_pages_go_on_where_they_were_while_others_write(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#history: a version comes once, also when newer ones arrive meanwhile."""
    stored = await fhir.created(minimal("Linkage"))
    path = f"/Linkage/{stored['id']}"
    for _ in range(5):
        await fhir.put(path, stored)
    versions: list[str] = []
    following: str | None = f"{path}/_history?_count=2"
    while following:
        page = (await fhir.get(following)).json()
        versions += [e["resource"]["meta"]["versionId"] for e in page["entry"]]
        following = link(page, "next")
        await fhir.put(path, stored)
    assert versions == ["6", "5", "4", "3", "2", "1"]


@pytest.mark.parametrize("level", LEVELS)
async def test_since_leaves_out_what_is_older(fhir: Fhir, level: str) -> None:
    """http://hl7.org/fhir/R4/http.html#history: `_since` only versions created at or after the instant."""
    stored = await fhir.created(minimal("Linkage"))
    path = f"/Linkage/{stored['id']}"
    await asyncio.sleep(0.02)
    updated = (await fhir.put(path, stored)).json()
    since = updated["meta"]["lastUpdated"]
    found = await pages(fhir, f"{history_path(level, stored)}?_since={since}&_count=1")
    versions = [
        e["resource"]["meta"]["versionId"]
        for page in found
        for e in page["entry"]
        if e["fullUrl"].endswith(stored["id"])
    ]
    assert versions == ["2"]
    for text in ("2020", "2020-01-01", "0001-01-01T00:00:00Z", datetime(2020, 1, 1).astimezone().isoformat()):
        assert (await fhir.get(f"{path}/_history?_since={text}")).json()["entry"][-1]["resource"]["meta"][
            "versionId"
        ] == "1"
    assert "entry" not in (await fhir.get(f"{path}/_history?_since=9999-12-31")).json()


async def test_an_id_that_never_was_has_no_history_and_a_deleted_one_has(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#history"""
    assert_outcome(await fhir.get("/Patient/never-was/_history"), 404, "not-found")
    assert_outcome(await fhir.get("/NoSuchType/_history"), 404, "not-supported")
    stored = await fhir.created(patient())
    await fhir.delete(f"/Patient/{stored['id']}")
    assert len((await fhir.get(f"/Patient/{stored['id']}/_history")).json()["entry"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        "_count=x",
        "_count=-1",
        "_count=1.5",
        "_since=yesterday",
        "_since=2024-13",
        "_cursor=x",
        "_cursor=%00",
        "nonsense=1",
        "name=x",
        "_since=0000",
    ],
)
@pytest.mark.parametrize("level", LEVELS)
async def test_what_is_wrong_is_refused(fhir: Fhir, level: str, query: str) -> None:
    """http://hl7.org/fhir/R4/http.html#history: its parameters are `_count`, `_since`, `_at` and `_list`."""
    stored = await fhir.created(patient())
    answer = await fhir.get(f"{history_path(level, stored)}?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["issue"][0]["code"] in ("value", "not-supported")


async def test_a_page_link_of_another_history_is_refused(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#paging: opaque, and the server's own [ours]."""
    stored = await a_life(fhir)
    following = str(link((await fhir.get("/Linkage/_history?_count=1")).json(), "next"))
    cursor = following.partition("_cursor=")[2]
    for path in (f"/Linkage/{stored['id']}/_history", "/_history", "/Patient/_history"):
        assert_outcome(await fhir.get(f"{path}?_count=1&_cursor={cursor}"), 400, "value")
    assert_outcome(await fhir.get(f"/Linkage/_history?_count=1&_since=2020&_cursor={cursor}"), 400, "value")
