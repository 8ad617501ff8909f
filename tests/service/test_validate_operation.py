"""$validate says what an interaction would say, and stores nothing: http://hl7.org/fhir/R4/resource-operation-validate.html"""

import json
from typing import Any

import pytest

from tests.builders import observation, patient
from tests.house import Fhir, Response
from tests.matchers import assert_outcome

Json = dict[str, Any]

ELDER = "https://yiyang.example/fhir/StructureDefinition/yiyang-patient"


def given(resource: Json | None = None, **others: str) -> Json:
    """A Parameters body."""
    parts: list[Json] = [{"name": "resource", "resource": resource}] if resource else []
    names = {"mode": "valueCode", "profile": "valueUri"}
    parts += [{"name": name, names.get(name, "valueString"): value} for name, value in others.items()]
    return {"resourceType": "Parameters", "parameter": parts}


def errors(response: Response) -> list[tuple[str, str]]:
    assert response.status_code == 200, response.text
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    found = [issue for issue in outcome["issue"] if issue["severity"] == "error"]
    return [(issue["code"], issue.get("expression", [""])[0]) for issue in found]


async def test_a_right_resource_has_no_errors_and_is_not_stored(fhir: Fhir) -> None:
    before = (await fhir.get("/Basic/_history?_count=1")).content
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "id": "never-stored"}
    assert errors(await fhir.post("/Basic/$validate", basic)) == []
    assert errors(await fhir.post("/Basic/$validate", given(basic, mode="create"))) == []
    assert errors(await fhir.post("/Basic/never-stored/$validate", given(basic, mode="update"))) == []
    assert (await fhir.get("/Basic/never-stored")).status_code == 404
    assert json.loads((await fhir.get("/Basic/_history?_count=1")).content).get("entry") == json.loads(before).get(
        "entry"
    )


async def test_every_issue_is_told_with_its_place(fhir: Fhir) -> None:
    wrong = observation(status="done", code=None, valueQuantity={"value": 1, "code": "mg"}, meta={"tag": [{}]})
    expected = [
        ("code-invalid", "Observation.status"),
        ("required", "Observation.code"),
        ("structure", "Observation.meta.tag[0]"),
    ]
    for body in (wrong, given(wrong)):
        assert set(errors(await fhir.post("/Observation/$validate", body))) >= set(expected)


async def test_warnings_are_told_and_refuse_nothing(fhir: Fhir) -> None:
    answer = await fhir.post("/Patient/$validate", patient(meta={"profile": ["http://a.example/unknown"]}))
    assert errors(answer) == []
    severities = {issue["severity"]: issue for issue in answer.json()["issue"]}
    assert severities["warning"]["diagnostics"].startswith("Patient: dom-6")
    assert severities["information"]["expression"] == ["Patient.meta.profile[0]"]


async def test_a_profile_is_asked_for_in_the_url_or_in_parameters(fhir: Fhir) -> None:
    for answer in (
        await fhir.post(f"/Patient/$validate?profile={ELDER}", patient()),
        await fhir.post("/Patient/$validate", given(patient(), profile=ELDER)),
        await fhir.post("/Patient/$validate", given(patient(), profile=ELDER, mode="profile")),
    ):
        assert ("required", "Patient.identifier") in errors(answer)


async def test_an_unknown_profile_is_an_error(fhir: Fhir) -> None:
    answer = await fhir.post("/Patient/$validate?profile=http://a.example/unknown", patient())
    assert_outcome(answer, 400, "not-found")


async def test_a_profile_that_is_claimed_is_held_to_when_it_is_stored(fhir: Fhir) -> None:
    claiming = patient(meta={"profile": [ELDER]})
    assert_outcome(await fhir.post("/Patient", claiming), 422, "required", "Patient.identifier")
    assert (await fhir.post("/Patient", patient(meta={"profile": ["http://a.example/unknown"]}))).status_code == 201


async def test_what_is_stored_is_examined_where_it_lies(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}/$validate"
    assert errors(await fhir.get(path)) == []
    assert errors(await fhir.post(path, b"")) == []
    assert ("required", "Patient.name") in errors(await fhir.get(f"{path}?profile={ELDER}&mode=profile"))
    assert_outcome(await fhir.get("/Patient/nobody/$validate"), 404, "not-found")
    await fhir.delete(f"/Patient/{stored['id']}")
    assert_outcome(await fhir.get(path), 410, "deleted")


async def test_what_is_stored_is_examined_for_those_who_may_read_it(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    writer = fhir.as_(scopes=("system/Patient.c",))
    assert_outcome(await writer.get(f"/Patient/{stored['id']}/$validate"), 403, "forbidden")
    assert errors(await writer.post("/Patient/$validate", patient())) == []


async def test_an_update_is_asked_about_as_it_would_be_made(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}/$validate"
    assert errors(await fhir.post(path, given(stored, mode="update"))) == []
    assert errors(await fhir.post(path, given(patient(id="other"), mode="update"))) == [("value", "Patient.id")]
    assert errors(await fhir.post(path, given(stored, mode="update"), if_match='W/"7"')) == [("conflict", "")]
    assert (await fhir.get(f"/Patient/{stored['id']}")).json()["meta"]["versionId"] == "1"


async def test_a_deletion_is_asked_about_without_a_resource(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    assert errors(await fhir.post(f"/Patient/{stored['id']}/$validate", given(mode="delete"))) == []
    assert (await fhir.get(f"/Patient/{stored['id']}")).status_code == 200
    assert errors(await fhir.get("/AuditEvent/any/$validate?mode=delete")) == [("not-supported", "")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "structure"),
        (given(), "required"),
        (given(patient(), mode="perhaps"), "value"),
        (given(patient(), mode="profile"), "required"),
        (given(patient(), unknown="x"), "not-supported"),
        (given(observation()), "value"),
        (observation(), "value"),
        ({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient()}] * 2}, "value"),
        (
            {
                "resourceType": "Parameters",
                "parameter": [{"name": "mode"}, {"name": "resource", "resource": patient()}],
            },
            "invariant",
        ),
        ({"resourceType": "Parameters", "parameter": "x"}, "structure"),
        ({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": "x"}]}, "structure"),
    ],
)
async def test_a_request_that_cannot_be_read_is_refused(fhir: Fhir, body: Json | bytes, code: str) -> None:
    answer = await fhir.post("/Patient/$validate", body)
    assert_outcome(answer, 422 if code == "invariant" else 400, code)


async def test_a_reference_between_entries_is_checked_as_what_it_becomes(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#trules: an urn:uuid says no type until it is replaced."""
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    entries = [
        {
            "fullUrl": urn,
            "resource": {"resourceType": "Medication"},
            "request": {"method": "POST", "url": "Medication"},
        },
        {"resource": observation(urn), "request": {"method": "POST", "url": "Observation"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert_outcome(await fhir.post("/", bundle), 422, "value", "Bundle.entry[1].resource.subject.reference")
