"""Negotiation and preferences: http://hl7.org/fhir/R4/http.html#mime-type and https://www.rfc-editor.org/rfc/rfc9110"""

import pytest

from services.fhir.served import ServedType
from services.fhir.validation import parse, validate
from services.kit.caller import HEADER, sign
from services.kit.clock import SystemClock
from tests.builders import patient
from tests.conformance.served import each_type
from tests.house import FHIR_JSON, KEY, Fhir
from tests.matchers import assert_outcome
from tests.minimal import minimal


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/*",
        "application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
        "application/json",
        "text/html, application/xhtml+xml, */*;q=0.8",
        "application/fhir+xml;q=0.9, application/fhir+json;q=0.1",
        "APPLICATION/FHIR+JSON",
    ],
)
async def test_json_is_answered_to_who_accepts_it(fhir: Fhir, accept: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1"""
    stored = await fhir.created(patient())
    answer = await fhir.get(f"/Patient/{stored['id']}", accept=accept)
    assert (answer.status_code, answer.json()) == (200, stored)
    assert answer.headers["content-type"].partition(";")[0] == FHIR_JSON


@pytest.mark.parametrize(
    "accept", ["application/fhir+xml", "text/html", "application/fhir+json;q=0", "image/png, text/plain"]
)
async def test_what_cannot_be_answered_is_406(fhir: Fhir, accept: str) -> None:
    """http://hl7.org/fhir/R4/http.html#mime-type: 406 where the server has no such format."""
    stored = await fhir.created(patient())
    assert_outcome(await fhir.get(f"/Patient/{stored['id']}", accept=accept), 406, "not-supported")
    assert_outcome(await fhir.get("/Patient", accept=accept), 406, "not-supported")


@pytest.mark.parametrize(
    "wanted", ["json", "application/json", "application/fhir+json", "application/fhir%2Bjson", "text/json"]
)
async def test_format_beats_accept(fhir: Fhir, wanted: str) -> None:
    """http://hl7.org/fhir/R4/http.html#parameters: `_format` overrides the negotiation."""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}?_format="
    assert (await fhir.get(path + wanted, accept="application/fhir+xml")).json() == stored
    for other in ("xml", "application/fhir+xml", "ttl", "html"):
        assert_outcome(await fhir.get(path + other, accept=FHIR_JSON), 406, "not-supported")
    assert (await fhir.get(f"/Patient?_id={stored['id']}&_format={wanted}")).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+json",
        "application/json",
        "application/fhir+json; charset=utf-8",
        'application/fhir+json;charset="UTF-8"',
        "Application/FHIR+JSON; fhirVersion=4.0",
    ],
)
async def test_json_is_taken_by_any_of_its_names(fhir: Fhir, content_type: str) -> None:
    """http://hl7.org/fhir/R4/http.html#mime-type"""
    answer = await fhir.post("/Patient", patient(), content_type=content_type)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+xml",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/fhir+json; charset=gbk",
        "multipart/form-data",
        "",
        "application/fhir+json/x",
    ],
)
async def test_another_content_type_is_415(fhir: Fhir, content_type: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#status.415"""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    assert_outcome(await fhir.post("/Patient", patient(), content_type=content_type), 415, "not-supported")
    assert_outcome(await fhir.put(path, stored, content_type=content_type), 415, "not-supported")
    bundle = {"resourceType": "Bundle", "type": "batch"}
    assert_outcome(await fhir.post("/", bundle, content_type=content_type), 415, "not-supported")
    assert (await fhir.get(path)).json() == stored


async def test_prefer_return_says_how_much_of_a_write_comes_back(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#return"""
    minimum = await fhir.post("/Patient", patient(), prefer="return=minimal")
    assert (minimum.status_code, minimum.content) == (201, b"")
    whole = await fhir.post("/Patient", patient(), prefer="return=representation")
    assert whole.json()["resourceType"] == "Patient"
    outcome = await fhir.post("/Patient", patient(), prefer="return=OperationOutcome")
    assert outcome.json()["resourceType"] == "OperationOutcome"
    for answer in (minimum, whole, outcome):
        assert {"location", "etag", "last-modified"} <= answer.headers.keys()
    stored = whole.json()
    for kind, length in (("minimal", 0), ("representation", len(whole.content)), ("unknown", len(whole.content))):
        updated = await fhir.put(f"/Patient/{stored['id']}", stored, prefer=f"return={kind}; handling=strict")
        assert (updated.status_code, len(updated.content)) == (200, length)


async def test_a_field_on_several_lines_is_one_list(fhir: Fhir) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-5.3"""
    target = "/fhir/Patient?nonsense=1"
    signature = sign(fhir.caller, "GET", target, b"", KEY.encode(), SystemClock().seconds())
    fields = [(HEADER.encode(), signature.encode()), (b"prefer", b"handling=strict"), (b"prefer", b"return=minimal")]
    for several in (fields, [fields[0], fields[2], fields[1]]):
        assert (await fhir.peers.call("records", "GET", target, several, b"")).status == 400


async def test_a_failure_has_an_outcome_whatever_is_preferred(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#Status-Codes"""
    for kind in ("minimal", "representation", "OperationOutcome"):
        assert_outcome(
            await fhir.post("/Patient", {"resourceType": "Patient", "x": 1}, prefer=f"return={kind}"),
            400,
            "structure",
            "Patient.x",
        )


@each_type
async def test_head_is_get_without_a_body(fhir: Fhir, served: ServedType) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2"""
    stored = await fhir.created(minimal(served.type))
    path = f"/{served.type}/{stored['id']}"
    get, head = await fhir.get(path), await fhir.call("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers
    assert int(head.headers["content-length"]) == len(get.content)


async def test_head_fails_like_get(fhir: Fhir) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2"""
    for path, status in (("/Patient/nobody", 404), ("/Patient?name:wrong=x", 400), ("/NoSuchType", 404)):
        head = await fhir.call("HEAD", path)
        assert (head.status_code, head.content) == (status, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/Patient/1", {"GET", "PUT", "DELETE"}),
        ("PUT", "/Patient/1/_history/1", {"GET"}),
        ("POST", "/Patient/1/_history", {"GET"}),
        ("DELETE", "/metadata", {"GET"}),
    ],
)
async def test_a_method_that_a_path_does_not_have_is_405(fhir: Fhir, method: str, path: str, allowed: set[str]) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#status.405: with `Allow`."""
    answer = await fhir.call(method, path)
    assert_outcome(answer, 405, "not-supported")
    assert allowed <= set(answer.headers["allow"].replace(" ", "").split(","))


async def test_an_unknown_path_is_404(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#Status-Codes"""
    for path in ("/Patient/1/_history/1/more", "/Patient/1/nothing", "/Patient/", "//Patient"):
        assert_outcome(await fhir.get(path), 404, "not-found")


async def test_an_outcome_is_itself_valid_r4(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/operationoutcome.html: in Chinese for people, in English for engineers."""
    for answer in (
        await fhir.get("/Patient/nobody"),
        await fhir.get("/Patient?name:wrong=x"),
        await fhir.post("/Observation", {"resourceType": "Observation", "x": [], "status": "wrong"}),
        await fhir.post("/Patient", b"{"),
    ):
        outcome = parse(answer.content, "OperationOutcome")
        validate(outcome)
        for issue in outcome["issue"]:
            assert any("\u4e00" <= c <= "\u9fff" for c in issue["details"]["text"])
            assert issue["diagnostics"].isascii()
