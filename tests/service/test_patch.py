"""The patch interaction on stored resources: http://hl7.org/fhir/R4/http.html#patch"""

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.builders import batch, entry, observation, patient, transaction, urn
from tests.house import Fhir, Response
from tests.matchers import assert_outcome

Json = dict[str, Any]
JSON_PATCH = "application/json-patch+json"


async def patch(fhir: Fhir, path: str, *operations: Json, **headers: str) -> Response:
    return await fhir.call("PATCH", path, json.dumps(operations).encode(), content_type=JSON_PATCH, **headers)


def binary(*operations: Json) -> Json:
    data = base64.b64encode(json.dumps(operations, ensure_ascii=False).encode()).decode()
    return {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}


def parameters(*operations: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(operations)}


def replacing(path: str, **value: Any) -> Json:
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", **value},
    ]
    return {"name": "operation", "part": parts}


GENDER = {"op": "add", "path": "/gender", "value": "female"}


async def test_a_json_patch_makes_the_next_version(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#patch: https://www.rfc-editor.org/rfc/rfc6902"""
    stored = await fhir.created(patient(birthDate="1930"))
    response = await patch(fhir, f"/Patient/{stored['id']}", GENDER)
    assert response.status_code == 200, response.text
    assert response.headers["etag"] == 'W/"2"'
    assert response.json()["gender"] == "female"
    assert (await fhir.get(f"/Patient/{stored['id']}")).json() == response.json()
    entries = (await fhir.get(f"/Patient/{stored['id']}/_history")).json()["entry"]
    assert [e["request"]["method"] for e in entries] == ["PATCH", "POST"]
    assert "entry" in (await fhir.get(f"/Patient?_id={stored['id']}&gender=female")).json()


async def test_a_fhirpath_patch_makes_the_next_version(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/fhirpatch.html"""
    stored = await fhir.created(patient(gender="male"))
    change = parameters(replacing("Patient.gender", valueCode="female"))
    response = await fhir.call("PATCH", f"/Patient/{stored['id']}", change)
    assert response.status_code == 200, response.text
    assert response.json()["gender"] == "female"


@pytest.mark.parametrize("digits", ["1.00", "0.010", "12345678901234567890.12345", "1.0E+2", "-0.50"])
async def test_the_digits_of_other_elements_stay(fhir: Fhir, digits: str) -> None:
    part = {"code": {"text": "x"}, "valueQuantity": {"value": 4711}}
    body = json.dumps(observation(component=[part], valueQuantity={"value": 4711})).replace("4711", digits)
    stored = (await fhir.post("/Observation", body.encode())).json()
    path = f"/Observation/{stored['id']}"
    await patch(fhir, path, {"op": "add", "path": "/component/0/valueQuantity/unit", "value": "x"})
    await fhir.call("PATCH", path, parameters(replacing("Observation.status", valueCode="amended")))
    read = (await fhir.get(path)).text
    assert read.count(digits) == 2, read
    assert '"status":"amended"' in read
    assert '"versionId":"3"' in read


async def test_what_fails_changes_nothing(fhir: Fhir) -> None:
    stored = await fhir.created(patient(gender="male"))
    path = f"/Patient/{stored['id']}"
    test = {"op": "test", "path": "/gender", "value": "female"}
    assert_outcome(await patch(fhir, path, test, GENDER), 422, "processing")
    assert_outcome(await patch(fhir, path, {"op": "remove", "path": "/photo"}), 422, "processing")
    assert_outcome(await patch(fhir, path, {"op": "paint", "path": "/gender"}), 400, "structure")
    assert_outcome(await fhir.call("PATCH", path, b"{", content_type=JSON_PATCH), 400, "structure")
    assert_outcome(
        await fhir.call("PATCH", path, b"[]", content_type="application/merge-patch+json"), 415, "not-supported"
    )
    assert_outcome(
        await fhir.call("PATCH", path, b"<diff/>", content_type="application/xml-patch+xml"), 415, "not-supported"
    )
    assert_outcome(await fhir.call("PATCH", path, {"resourceType": "Parameters"}), 400, "invalid")
    assert (await fhir.get(path)).json()["meta"]["versionId"] == "1"


async def test_the_result_is_validated_like_one_that_was_sent_whole(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    wrong_code = await patch(fhir, path, {"op": "add", "path": "/gender", "value": "elder"})
    assert_outcome(wrong_code, wrong_code.status_code, "code-invalid", "Patient.gender")
    assert wrong_code.status_code in (400, 422)
    for operation in (
        {"op": "add", "path": "/nonsense", "value": 1},
        {"op": "add", "path": "/name", "value": []},
        {"op": "replace", "path": "/id", "value": "other"},
        {"op": "remove", "path": "/id"},
        {"op": "replace", "path": "/resourceType", "value": "Person"},
        {"op": "replace", "path": "", "value": {}},
        {"op": "add", "path": "/meta/tag", "value": [{"code": "SUBSETTED"}]},
    ):
        response = await patch(fhir, path, operation)
        assert response.status_code in (400, 422), operation
        assert response.json()["resourceType"] == "OperationOutcome"
    assert (await fhir.get(path)).json() == stored


async def test_what_the_server_says_of_a_version_cannot_be_patched(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    version = {"op": "replace", "path": "/meta/versionId", "value": "9"}
    tag = {"op": "add", "path": "/meta/tag", "value": [{"system": "http://example.org", "code": "a"}]}
    meta = (await patch(fhir, f"/Patient/{stored['id']}", version, tag)).json()["meta"]
    assert meta["versionId"] == "2"
    assert meta["tag"][0]["code"] == "a"


async def test_if_match_is_honoured(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency"""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    assert (await patch(fhir, path, GENDER, if_match='W/"1"')).status_code == 200
    assert_outcome(await patch(fhir, path, GENDER, if_match='W/"1"'), 412, "conflict")
    assert_outcome(await patch(fhir, path, GENDER, if_match="1"), 400, "value")


async def test_what_is_not_there_cannot_be_patched(fhir: Fhir) -> None:
    assert_outcome(await patch(fhir, "/Patient/never-there", GENDER), 404, "not-found")
    stored = await fhir.created(patient())
    await fhir.delete(f"/Patient/{stored['id']}")
    assert_outcome(await patch(fhir, f"/Patient/{stored['id']}", GENDER), 410, "deleted")


async def test_parallel_patches_all_count(fhir: Fhir) -> None:
    """None names a version, so each is applied to what is there when it commits."""
    stored = await fhir.created(patient(name=[{"given": ["x"]}]))
    path = f"/Patient/{stored['id']}"
    added = [{"op": "add", "path": "/name/0/given/-", "value": f"n{n}"} for n in range(6)]
    answers = await asyncio.gather(*(patch(fhir, path, operation) for operation in added))
    kept = [operation["value"] for operation, a in zip(added, answers, strict=True) if a.status_code == 200]
    assert len(kept) == 6
    assert set((await fhir.get(path)).json()["name"][0]["given"]) == {"x", *kept}


async def test_patches_in_bundles(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#trules: PATCH entries hold a Binary or Parameters."""
    for bundle_of in (transaction, batch):
        one, other = await fhir.created(patient()), await fhir.created(patient(gender="male"))
        response = await fhir.post(
            "/",
            bundle_of(
                entry("GET", f"Patient/{one['id']}"),
                entry("PATCH", f"Patient/{one['id']}", binary(GENDER)),
                entry("PATCH", f"Patient/{other['id']}", parameters(replacing("Patient.gender", valueCode="other"))),
            ),
        )
        assert response.status_code == 200, response.text
        first, second, third = response.json()["entry"]
        assert first["resource"]["gender"] == "female"
        assert [e["response"]["status"][:3] for e in (second, third)] == ["200", "200"]
        assert second["response"]["etag"] == 'W/"2"'
        assert (await fhir.get(f"/Patient/{other['id']}")).json()["gender"] == "other"


async def test_a_patch_in_a_transaction_names_its_siblings(fhir: Fhir) -> None:
    stored = await fhir.created(observation())
    other = await fhir.created(observation())
    person = urn()
    refer = {"op": "add", "path": "/subject", "value": {"reference": person}}
    response = await fhir.post(
        "/",
        transaction(
            entry("PATCH", f"Observation/{stored['id']}", binary(refer)),
            entry(
                "PATCH",
                f"Observation/{other['id']}",
                parameters(
                    {
                        "name": "operation",
                        "part": [
                            {"name": "type", "valueCode": "add"},
                            {"name": "path", "valueString": "Observation"},
                            {"name": "name", "valueString": "subject"},
                            {"name": "value", "valueReference": {"reference": person}},
                        ],
                    }
                ),
            ),
            entry("POST", "Patient", patient(), person),
        ),
    )
    assert response.status_code == 200, response.text
    made = response.json()["entry"][2]["response"]["location"].partition("/_history")[0]
    found = (await fhir.get(f"/Observation?patient={made}")).json()["entry"]
    assert {e["resource"]["id"] for e in found} == {stored["id"], other["id"]}


async def test_a_failing_patch_undoes_a_transaction(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#trules"""
    stored = await fhir.created(patient())
    change = {"op": "test", "path": "/gender", "value": "male"}
    response = await fhir.post(
        "/",
        transaction(entry("POST", "Patient", patient()), entry("PATCH", f"Patient/{stored['id']}", binary(change))),
    )
    assert_outcome(response, 422, "processing")
    assert response.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    broken = {"resourceType": "Binary", "contentType": JSON_PATCH, "data": "!!"}
    response = await fhir.post("/", transaction(entry("PATCH", f"Patient/{stored['id']}", broken)))
    assert response.status_code in (400, 422)
