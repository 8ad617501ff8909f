"""The life of one resource, of every type that is served: http://hl7.org/fhir/R4/http.html"""

from email.utils import parsedate_to_datetime
from uuid import uuid4

import pytest

from services.fhir.served import APPEND_ONLY, ServedType
from tests.builders import observation, patient
from tests.conformance.served import SERVED, each_type
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.minimal import minimal

changeable = pytest.mark.parametrize("name", [s.type for s in SERVED if s.interactions != APPEND_ONLY])
append_only = pytest.mark.parametrize("name", [s.type for s in SERVED if s.interactions == APPEND_ONLY])


@each_type
async def test_what_is_created_is_read_by_id_and_version_and_found(fhir: Fhir, served: ServedType) -> None:
    """http://hl7.org/fhir/R4/http.html#create: 201, Location, ETag, Last-Modified; the id in the body is ignored."""
    name = served.type
    created = await fhir.post(f"/{name}", minimal(name, id="mine"))
    assert created.status_code == 201, created.text
    stored = created.json()
    path = f"/{name}/{stored['id']}"
    assert stored["id"] != "mine"
    assert stored == minimal(name, id=stored["id"], meta=stored["meta"])
    assert created.headers["location"] == f"{BASE}{path}/_history/1"
    assert created.headers["etag"] == 'W/"1"'
    assert parsedate_to_datetime(created.headers["last-modified"]).year > 2020
    for same in (await fhir.get(path), await fhir.get(f"{path}/_history/1")):
        assert (same.status_code, same.content) == (200, created.content)
        assert same.headers["etag"] == created.headers["etag"]
        assert same.headers["last-modified"] == created.headers["last-modified"]
    found = (await fhir.get(f"/{name}?_id={stored['id']}")).json()
    assert [(e["fullUrl"], e["resource"], e["search"]) for e in found["entry"]] == [
        (f"{BASE}{path}", stored, {"mode": "match"})
    ]


@changeable
async def test_update_delete_and_history_of_a_type_that_changes(fhir: Fhir, name: str) -> None:
    """http://hl7.org/fhir/R4/http.html#update, #upsert, #delete and #history, over the same id."""
    own_id = str(uuid4())
    path = f"/{name}/{own_id}"
    resource = minimal(name, id=own_id)
    assert (await fhir.put(path, resource)).status_code == 201
    updated = await fhir.put(path, resource | {"language": "zh-CN"})
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
    assert (await fhir.delete(path)).status_code == 204
    assert_outcome(await fhir.get(path), 410, "deleted")
    assert "entry" not in (await fhir.get(f"/{name}?_id={own_id}")).json()
    assert (await fhir.get(f"{path}/_history/1")).json()["meta"]["versionId"] == "1"
    assert (await fhir.get(f"{path}/_history/2")).json()["language"] == "zh-CN"
    assert_outcome(await fhir.get(f"{path}/_history/3"), 410, "deleted")
    again = await fhir.put(path, resource)
    assert (again.status_code, again.headers["etag"]) == (201, 'W/"4"')
    entries = (await fhir.get(f"{path}/_history")).json()["entry"]
    assert [e["request"]["method"] for e in entries] == ["PUT", "DELETE", "PUT", "PUT"]
    assert [e.get("resource", {}).get("meta", {}).get("versionId") for e in entries] == ["4", None, "2", "1"]


@append_only
async def test_an_append_only_type_refuses_update_and_delete(fhir: Fhir, name: str) -> None:
    """http://hl7.org/fhir/R4/http.html#update: 405 where the resource type does not support client changes."""
    stored = await fhir.created(minimal(name))
    path = f"/{name}/{stored['id']}"
    assert_outcome(await fhir.put(path, stored), 405, "not-supported")
    assert_outcome(await fhir.delete(path), 405, "not-supported")
    assert (await fhir.get(path)).json() == stored


async def test_a_put_needs_the_id_of_its_url(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#update: 400 without an id or with another one."""
    for body in (patient(), patient(id="another")):
        assert_outcome(await fhir.put("/Patient/one", body), 400, "value", "Patient.id")
    assert_outcome(await fhir.get("/Patient/one"), 404, "not-found")


async def test_an_id_has_64_characters_at_most(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#id"""
    longest = "x" * 64
    assert (await fhir.put(f"/Patient/{longest}", patient(id=longest))).status_code == 201
    assert (await fhir.get(f"/Patient/{longest}")).json()["id"] == longest
    answer = await fhir.put(f"/Patient/{longest}x", patient(id=f"{longest}x"))
    assert answer.status_code in (400, 422)
    assert_outcome(answer, answer.status_code, "value", "Patient.id")


async def test_ids_tell_upper_from_lower_case(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#id: ids are case-sensitive."""
    low, high = f"a{uuid4()}", f"A{uuid4()}"
    await fhir.put(f"/Patient/{low}", patient(id=low, gender="male"))
    await fhir.put(f"/Patient/{low.upper()}", patient(id=low.upper(), gender="female"))
    assert (await fhir.get(f"/Patient/{low}")).json()["gender"] == "male"
    assert_outcome(await fhir.get(f"/Patient/{high}"), 404, "not-found")


async def test_delete_of_what_is_gone_or_never_was_writes_nothing(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#delete: 204 also for what does not exist."""
    stored = await fhir.created(observation())
    path = f"/Observation/{stored['id']}"
    for _ in range(2):
        assert (await fhir.delete(path)).status_code == 204
    assert len((await fhir.get(f"{path}/_history")).json()["entry"]) == 2
    assert (await fhir.delete("/Observation/never-was")).status_code == 204
    assert_outcome(await fhir.get("/Observation/never-was"), 404, "not-found")
    assert_outcome(await fhir.get("/Observation/never-was/_history"), 404, "not-found")


@pytest.mark.parametrize("version", ["2", "0", "-1", "x", "1.0", "01", "9223372036854775808", "9" * 40])
async def test_an_unknown_version_is_not_found(fhir: Fhir, version: str) -> None:
    """http://hl7.org/fhir/R4/http.html#vread"""
    stored = await fhir.created(patient())
    assert_outcome(await fhir.get(f"/Patient/{stored['id']}/_history/{version}"), 404, "not-found")
    assert_outcome(await fhir.get(f"/Patient/never-was/_history/{version}"), 404, "not-found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_an_unknown_type_is_not_found(fhir: Fhir, method: str) -> None:
    """http://hl7.org/fhir/R4/http.html#read: 404 for a type that is not supported."""
    for name in ("Parameters", "Resource", "patient", "NoSuchType"):
        path = f"/{name}" if method == "POST" else f"/{name}/1"
        body = {"resourceType": name, "id": "1"} if method in ("PUT", "POST") else b""
        answer = await fhir.call(method, path, body)
        assert answer.status_code == 404, f"{name}: {answer.text}"
        assert_outcome(answer, 404, "not-supported")
