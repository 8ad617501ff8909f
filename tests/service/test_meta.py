"""$meta, $meta-add and $meta-delete: http://hl7.org/fhir/R4/resource-operation-meta.html"""

import json
from typing import Any

import pytest

from tests.builders import observation, patient
from tests.house import Fhir, Json, Response
from tests.matchers import assert_outcome

TAGS = "http://example.org/tags"
LABELS = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PROFILE = "http://example.org/StructureDefinition/elder"


def parameters(**meta: object) -> Json:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def returned(response: Response) -> Any:
    (parameter,) = response.json()["parameter"]
    assert parameter["name"] == "return"
    return parameter["valueMeta"]


async def test_meta_of_a_resource_is_its_meta(fhir: Fhir) -> None:
    stored = await fhir.created(patient(meta={"tag": [{"system": TAGS, "code": "a"}]}))
    answer = await fhir.get(f"/Patient/{stored['id']}/$meta")
    assert answer.status_code == 200
    assert returned(answer) == stored["meta"]
    assert answer.headers["etag"] == 'W/"1"'


async def test_labels_are_sets_by_system_and_code(fhir: Fhir) -> None:
    own = {"system": TAGS, "code": "a", "display": "mine"}
    stored = await fhir.created(patient(meta={"tag": [own]}))
    path = f"/Patient/{stored['id']}/$meta-add"
    given = parameters(
        profile=[PROFILE],
        security=[{"system": LABELS, "code": "R"}],
        tag=[{"system": TAGS, "code": "a", "display": "yours"}, {"system": TAGS, "code": "b"}, {"code": "b"}],
    )
    meta = returned(await fhir.post(path, given))
    assert meta["profile"] == [PROFILE]
    assert meta["tag"] == [own, {"system": TAGS, "code": "b"}, {"code": "b"}]
    assert meta == (await fhir.get(f"/Patient/{stored['id']}")).json()["meta"]


async def test_a_label_makes_a_version_and_no_label_makes_none(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    added = await fhir.post(f"{path}/$meta-add", parameters(tag=[{"system": TAGS, "code": "a"}]))
    assert returned(added)["versionId"] == "2"
    assert added.headers["etag"] == 'W/"2"'
    again = await fhir.post(f"{path}/$meta-add", parameters(tag=[{"system": TAGS, "code": "a"}]))
    assert returned(again)["versionId"] == "2"
    gone = await fhir.post(f"{path}/$meta-delete", parameters(tag=[{"system": TAGS, "code": "other"}]))
    assert returned(gone)["versionId"] == "2"
    gone = await fhir.post(f"{path}/$meta-delete", parameters(tag=[{"system": TAGS, "code": "a"}]))
    assert returned(gone)["versionId"] == "3"
    assert "tag" not in returned(gone)
    assert "tag" not in (await fhir.get(f"{path}/_history/1")).json()["meta"]


async def test_a_new_label_is_found_at_once_and_a_deleted_one_is_not(fhir: Fhir) -> None:
    stored = await fhir.created(observation())
    path = f"/Observation/{stored['id']}"
    await fhir.post(f"{path}/$meta-add", parameters(tag=[{"system": TAGS, "code": "found-at-once"}]))
    found = (await fhir.get(f"/Observation?_tag={TAGS}|found-at-once")).json()
    assert [e["resource"]["id"] for e in found["entry"]] == [stored["id"]]
    await fhir.post(f"{path}/$meta-delete", parameters(tag=[{"system": TAGS, "code": "found-at-once"}]))
    assert "entry" not in (await fhir.get(f"/Observation?_tag={TAGS}|found-at-once")).json()


async def test_all_else_keeps_its_digits(fhir: Fhir) -> None:
    body = json.dumps(observation(valueQuantity={"value": 72})).replace("72", "72.00").encode()
    stored = (await fhir.post("/Observation", body)).json()
    await fhir.post(f"/Observation/{stored['id']}/$meta-add", parameters(tag=[{"code": "a"}]))
    assert "72.00" in (await fhir.get(f"/Observation/{stored['id']}")).text


async def test_a_stale_if_match_is_refused(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}/$meta-add"
    assert (await fhir.post(path, parameters(tag=[{"code": "a"}]), if_match='W/"1"')).status_code == 200
    assert_outcome(await fhir.post(path, parameters(tag=[{"code": "a"}]), if_match='W/"1"'), 412, "conflict")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"resourceType": "Parameters"}, "value"),
        (parameters(versionId="7"), "value"),
        ({"resourceType": "Parameters", "parameter": [{"name": "else", "valueString": "x"}]}, "not-supported"),
        ({"resourceType": "Patient"}, "invalid"),
    ],
)
async def test_bad_input_is_told(fhir: Fhir, body: Json, code: str) -> None:
    stored = await fhir.created(patient())
    assert_outcome(await fhir.post(f"/Patient/{stored['id']}/$meta-add", body), 400, code)


async def test_what_is_not_there_has_no_meta(fhir: Fhir) -> None:
    assert_outcome(await fhir.get("/Patient/never-there/$meta"), 404, "not-found")
    assert_outcome(await fhir.post("/Patient/never-there/$meta-add", parameters(tag=[{"code": "a"}])), 404, "not-found")
    stored = await fhir.created(patient())
    await fhir.delete(f"/Patient/{stored['id']}")
    assert_outcome(await fhir.get(f"/Patient/{stored['id']}/$meta"), 410, "deleted")


async def test_a_type_and_the_server_tell_the_labels_in_use(fhir: Fhir) -> None:
    tag = {"system": TAGS, "code": "a|strange\\code"}
    profile = f"{PROFILE}/in-use"
    await fhir.created({"resourceType": "Basic", "code": {"text": "x"}, "meta": {"profile": [profile], "tag": [tag]}})
    for path in ("/Basic/$meta", "/$meta"):
        meta = returned(await fhir.get(path))
        assert profile in meta["profile"]
        assert tag in meta["tag"]
        assert "versionId" not in meta
    assert_outcome(await fhir.as_(scopes=("system/Patient.rs",)).get("/$meta"), 403, "forbidden")
    of_others = fhir.as_(scopes=("system/*.rs?_profile=http://example.org/another",))
    answer = await of_others.get("/$meta")
    assert answer.status_code == 200
    assert profile not in answer.text


async def test_what_changes_something_is_a_post(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    answer = await fhir.get(f"/Patient/{stored['id']}/$meta-add")
    assert_outcome(answer, 405, "not-supported")
    assert answer.headers["allow"] == "POST"
    assert_outcome(await fhir.get("/Patient/$meta-add"), 404, "not-supported")
    assert_outcome(await fhir.get(f"/Patient/{stored['id']}/$no-such"), 404, "not-supported")


async def test_the_capability_statement_lists_operations_where_they_are(fhir: Fhir) -> None:
    (rest,) = (await fhir.get("/metadata")).json()["rest"]
    assert "meta" in [o["name"] for o in rest["operation"]]
    (listed,) = (r for r in rest["resource"] if r["type"] == "Patient")
    assert {"meta", "meta-add", "meta-delete"} <= {o["name"] for o in listed["operation"]}
