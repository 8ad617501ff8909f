"""One resource through its life: create, read, update, delete, history."""

import asyncio
import json

import pytest

from tests.builders import observation, patient
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome


async def test_a_created_resource_gets_an_id_a_version_and_a_location(fhir: Fhir) -> None:
    response = await fhir.post("/Patient", patient(id="mine"))
    stored = response.json()
    assert response.status_code == 201
    assert stored["id"] != "mine"
    assert stored["meta"]["versionId"] == "1"
    assert response.headers["location"] == f"{BASE}/Patient/{stored['id']}/_history/1"
    assert response.headers["etag"] == 'W/"1"'
    assert "last-modified" in response.headers


async def test_what_was_created_is_read_at_once_and_byte_for_byte(fhir: Fhir) -> None:
    created = await fhir.post("/Observation", observation())
    read = await fhir.get(f"/Observation/{created.json()['id']}")
    assert read.content == created.content


@pytest.mark.parametrize("digits", ["1.00", "19", "0.010", "12345678901234567890.12345", "1.0E+2", "-0.50"])
async def test_decimals_keep_their_digits(fhir: Fhir, digits: str) -> None:
    body = json.dumps(observation(valueQuantity={"value": 72})).replace("72", digits).encode()
    created = await fhir.post("/Observation", body)
    assert created.status_code == 201, created.text
    read = await fhir.get(f"/Observation/{created.json()['id']}")
    assert f'"value": {digits}' in read.text or f'"value":{digits}' in read.text


async def test_the_clients_own_version_is_ignored_and_its_tags_are_kept(fhir: Fhir) -> None:
    meta = {
        "versionId": "99",
        "lastUpdated": "2001-01-01T00:00:00Z",
        "tag": [{"system": "http://example.org", "code": "a"}],
    }
    stored = await fhir.created(patient(meta=meta))
    assert stored["meta"]["versionId"] == "1"
    assert stored["meta"]["lastUpdated"] > "2020"
    assert stored["meta"]["tag"] == meta["tag"]


async def test_an_update_makes_the_next_version(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    updated = await fhir.put(f"/Patient/{stored['id']}", stored | {"gender": "female"})
    assert updated.status_code == 200
    assert updated.json()["meta"]["versionId"] == "2"
    assert (await fhir.get(f"/Patient/{stored['id']}")).json()["gender"] == "female"
    assert "gender" not in (await fhir.get(f"/Patient/{stored['id']}/_history/1")).json()


async def test_a_put_to_a_new_id_creates(fhir: Fhir) -> None:
    response = await fhir.put("/Patient/chosen-by-client", patient(id="chosen-by-client"))
    assert response.status_code == 201
    assert (await fhir.get("/Patient/chosen-by-client")).status_code == 200
    bound = await fhir.put("/Observation/chosen-too", observation("Patient/chosen-by-client", id="chosen-too"))
    assert bound.status_code == 201
    assert (await fhir.get("/Observation/chosen-too")).status_code == 200


async def test_a_put_needs_the_id_of_its_url(fhir: Fhir) -> None:
    assert_outcome(await fhir.put("/Patient/a", patient()), 400, "value", "Patient.id")
    assert_outcome(await fhir.put("/Patient/a", patient(id="b")), 400, "value", "Patient.id")


async def test_a_stale_if_match_changes_nothing(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    assert (await fhir.put(path, stored, if_match='W/"1"')).status_code == 200
    assert_outcome(await fhir.put(path, stored, if_match='W/"1"'), 412, "conflict")
    assert_outcome(await fhir.delete(path, if_match='"1"'), 412, "conflict")
    assert_outcome(await fhir.put(path, stored, if_match="2"), 400, "value")
    assert (await fhir.put(path, stored, if_match='W/"7", "2"')).status_code == 200
    assert (await fhir.get(path)).json()["meta"]["versionId"] == "3"


async def test_parallel_updates_each_get_their_own_version(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    answers = await asyncio.gather(*(fhir.put(path, stored) for _ in range(8)))
    versions = sorted(int(a.json()["meta"]["versionId"]) for a in answers if a.status_code == 200)
    assert versions == list(range(2, 2 + len(versions)))
    assert all(a.status_code in (200, 409) for a in answers)
    history = (await fhir.get(f"{path}/_history")).json()["entry"]
    assert [int(e["resource"]["meta"]["versionId"]) for e in history] == list(range(1 + len(versions), 0, -1))


async def test_a_deletion_is_gone_its_past_is_not_and_numbers_go_on(fhir: Fhir) -> None:
    stored = await fhir.created(observation())
    path = f"/Observation/{stored['id']}"
    assert (await fhir.delete(path)).status_code == 204
    assert_outcome(await fhir.get(path), 410, "deleted")
    assert (await fhir.get(f"{path}/_history/1")).status_code == 200
    assert_outcome(await fhir.get(f"{path}/_history/2"), 410, "deleted")
    assert (await fhir.delete(path)).status_code == 204
    assert (await fhir.put(path, stored)).status_code == 201
    assert (await fhir.get(path)).json()["meta"]["versionId"] == "3"


async def test_what_never_was_is_not_found_and_leaves_no_tombstone(fhir: Fhir) -> None:
    assert_outcome(await fhir.get("/Patient/nobody"), 404, "not-found")
    assert (await fhir.delete("/Patient/nobody")).status_code == 204
    assert_outcome(await fhir.get("/Patient/nobody"), 404, "not-found")
    assert_outcome(await fhir.get("/Patient/nobody/_history"), 404, "not-found")


async def test_history_is_newest_first_and_a_deletion_has_no_resource(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    await fhir.put(path, stored)
    await fhir.delete(path)
    entries = (await fhir.get(f"{path}/_history")).json()["entry"]
    assert [e["request"]["method"] for e in entries] == ["DELETE", "PUT", "POST"]
    assert "resource" not in entries[0]


async def test_history_of_a_type_pages_without_gap_or_repeat(fhir: Fhir) -> None:
    ids = [(await fhir.created({"resourceType": "Basic", "code": {"text": str(n)}}))["id"] for n in range(7)]
    seen: list[tuple[str, str]] = []
    path = "/Basic/_history?_count=3"
    while path:
        page = (await fhir.get(path)).json()
        seen += [(e["fullUrl"].rpartition("/")[2], e["response"]["etag"]) for e in page.get("entry", ())]
        path = next((link["url"].removeprefix(BASE) for link in page["link"] if link["relation"] == "next"), "")
    assert {stored for stored, _ in seen[:7]} == set(ids)
    assert len(seen) == len(set(seen))


async def test_a_resource_that_moves_to_another_patient_is_found_there_and_only_there(fhir: Fhir) -> None:
    one, other = await fhir.created(patient()), await fhir.created(patient())
    stored = await fhir.created(observation(f"Patient/{one['id']}"))
    moved = await fhir.put(
        f"/Observation/{stored['id']}", stored | {"subject": {"reference": f"Patient/{other['id']}"}}
    )
    assert moved.status_code == 200
    assert moved.json()["meta"]["versionId"] == "2"
    found = (await fhir.get(f"/Observation?patient={other['id']}")).json()
    assert [e["resource"]["id"] for e in found["entry"]] == [stored["id"]]
    assert "entry" not in (await fhir.get(f"/Observation?patient={one['id']}")).json()
    assert (await fhir.get(f"/Observation/{stored['id']}")).status_code == 200
    assert len((await fhir.get(f"/Observation/{stored['id']}/_history")).json()["entry"]) == 2
