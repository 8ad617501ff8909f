"""What a client prefers of an answer, and how it looks: http://hl7.org/fhir/R4/http.html#ops and #parameters"""

import json
from typing import Any

import pytest

from tests.builders import observation, patient
from tests.house import FHIR_JSON, Fhir, Response
from tests.matchers import assert_outcome

JSON_PATCH = "application/json-patch+json"
CHANGE = json.dumps([{"op": "add", "path": "/gender", "value": "female"}]).encode()


async def writes(fhir: Fhir, **headers: str) -> list[Response]:
    """One answer of each interaction that writes a resource."""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    return [
        await fhir.post("/Patient", patient(), **headers),
        await fhir.put(path, stored, **headers),
        await fhir.put(f"/Patient?_id={stored['id']}", stored, **headers),
        await fhir.call("PATCH", path, CHANGE, content_type=JSON_PATCH, **headers),
        await fhir.call("PATCH", f"/Patient?_id={stored['id']}", CHANGE, content_type=JSON_PATCH, **headers),
        await fhir.post("/Patient", patient(), if_none_exist=f"_id={stored['id']}", **headers),
    ]


async def test_minimal_is_no_body(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#return"""
    for answer in await writes(fhir, prefer="return=minimal"):
        assert (answer.status_code in (200, 201), answer.content) == (True, b"")
        assert {"etag", "location", "last-modified"} <= answer.headers.keys()
        assert "content-type" not in answer.headers


async def test_an_outcome_says_that_all_is_well(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#return"""
    for answer in await writes(fhir, prefer="return=OperationOutcome"):
        outcome = answer.json()
        assert answer.status_code in (200, 201)
        assert (outcome["resourceType"], outcome["issue"][0]["severity"]) == ("OperationOutcome", "information")


@pytest.mark.parametrize(
    "prefer", ["return=representation", "", "respond-later", "handling=lenient; return=representation"]
)
async def test_a_representation_is_the_resource_as_it_is_read(fhir: Fhir, prefer: str) -> None:
    """http://hl7.org/fhir/R4/http.html#return"""
    for answer in await writes(fhir, prefer=prefer):
        resource = answer.json()
        read = await fhir.get(f"/Patient/{resource['id']}/_history/{resource['meta']['versionId']}")
        assert answer.content == read.content
        assert answer.headers["etag"] == read.headers["etag"]


async def test_a_failure_is_told_whatever_is_preferred(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#return"""
    answer = await fhir.post("/Patient", patient(gender="elder"), prefer="return=minimal")
    assert_outcome(answer, answer.status_code, "code-invalid", "Patient.gender")


async def test_pretty_changes_nothing_but_the_space_between(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#parameters: `_pretty`."""
    body = json.dumps(observation(valueQuantity={"value": 4711, "unit": "次"})).replace("4711", "1.0E+2").encode()
    stored = (await fhir.post("/Observation", body)).json()
    path = f"/Observation/{stored['id']}"
    plain, pretty = await fhir.get(path), await fhir.get(f"{path}?_pretty=true")
    assert pretty.text.startswith("{\n  ")
    assert "1.0E+2" in pretty.text
    assert pretty.json() == plain.json() == (await fhir.get(f"{path}?_pretty=false")).json()
    assert pretty.headers["content-length"] == str(len(pretty.content))
    assert (await fhir.get("/Observation/nobody?_pretty=true")).text.startswith("{\n  ")


async def test_head_is_get_without_a_body(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#general: HEAD is GET without the body."""
    stored = await fhir.created(patient())
    for path in (
        f"/Patient/{stored['id']}",
        f"/Patient/{stored['id']}/_history/1",
        f"/Patient?_id={stored['id']}",
        "/metadata",
    ):
        got, head = await fhir.get(path), await fhir.call("HEAD", path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers.keys() == got.headers.keys()
    assert (await fhir.call("HEAD", "/Patient/never-there")).status_code == 404


async def test_an_answer_is_kept_by_nobody_between(fhir: Fhir) -> None:
    """https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.7"""
    stored = await fhir.created(patient())
    read = await fhir.get(f"/Patient/{stored['id']}")
    assert read.headers["cache-control"] == "private, no-cache"


async def test_xml_is_refused_and_the_capability_statement_says_json(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#mime-type"""
    assert_outcome(await fhir.get("/Patient/x?_format=xml"), 406, "not-supported")
    assert_outcome(await fhir.get("/Patient/x", accept="application/fhir+xml"), 406, "not-supported")
    sent = await fhir.post("/Patient", b"<Patient/>", content_type="application/fhir+xml")
    assert_outcome(sent, 415, "not-supported")
    statement = (await fhir.get("/metadata")).json()
    assert statement["format"] == [FHIR_JSON, "json"]
    assert statement["patchFormat"] == [JSON_PATCH, FHIR_JSON]


async def test_the_capability_statement_says_which_conditions_count(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.conditionalCreate"""
    statement = (await fhir.get("/metadata")).json()
    types: dict[str, Any] = {r["type"]: r for r in statement["rest"][0]["resource"]}
    told = ("conditionalCreate", "conditionalRead", "conditionalUpdate", "conditionalDelete", "updateCreate")
    assert [types["Patient"][name] for name in told] == [True, "full-support", True, "single", True]
    assert [types["AuditEvent"][name] for name in told] == [True, "full-support", False, "not-supported", False]
    assert {"code": "patch"} in types["Patient"]["interaction"]
    assert {"code": "patch"} not in types["AuditEvent"]["interaction"]


async def test_what_is_append_only_takes_no_change(fhir: Fhir) -> None:
    for answer in (
        await fhir.call("PATCH", "/AuditEvent/x", b"[]", content_type=JSON_PATCH),
        await fhir.call("PATCH", "/AuditEvent?_id=x", b"[]", content_type=JSON_PATCH),
        await fhir.put("/AuditEvent?_id=x", {"resourceType": "AuditEvent"}),
        await fhir.delete("/AuditEvent?_id=x"),
    ):
        assert_outcome(answer, 405, "not-supported")
