"""What is not valid R4 is refused, names the element and leaves nothing behind: http://hl7.org/fhir/R4/http.html#Status-Codes"""

import json
from typing import Any, Final

import pytest

from services.fhir.definitions import resource_types, type_definition
from services.fhir.served import ServedType
from tests.builders import coded, observation, patient
from tests.conformance.served import each_type
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Json, Shelf


async def assert_refused(shelf: Shelf, resource_type: str, body: bytes, code: str, expression: str | None) -> None:
    """By create, by update and inside a bundle alike; and nothing is stored."""
    stored = await shelf.fhir.created(shelf.tagged(minimal(resource_type)))
    path = f"/{resource_type}/{stored['id']}"
    for answer in (
        await shelf.fhir.post(f"/{resource_type}", body),
        await shelf.fhir.put(path, body.replace(b"{", f'{{"id":"{stored["id"]}",'.encode(), 1)),
    ):
        assert answer.status_code in (400, 422), answer.text
        assert_outcome(answer, answer.status_code, code, expression)
    assert (await shelf.fhir.get(path)).json() == stored
    assert len((await shelf.search(resource_type))["entry"]) == 1


MALFORMED: Final[dict[str, bytes]] = {
    "nothing": b"",
    "white space": b" \n",
    "no JSON": b"<Patient/>",
    "cut off": b'{"resourceType":"Patient"',
    "more than one value": b'{"resourceType":"Patient"}{}',
    "a comma too many": b'{"resourceType":"Patient",}',
    "a comment": b'{"resourceType":"Patient"}//',
    "single quotes": b"{'resourceType':'Patient'}",
    "NaN": b'{"resourceType":"Patient","multipleBirthInteger":NaN}',
    "infinity": b'{"resourceType":"Patient","multipleBirthInteger":-Infinity}',
    "a leading zero": b'{"resourceType":"Patient","multipleBirthInteger":01}',
    "a plus": b'{"resourceType":"Patient","multipleBirthInteger":+1}',
    "hexadecimal": b'{"resourceType":"Patient","multipleBirthInteger":0x1}',
    "a bare control character": b'{"resourceType":"Patient","language":"a\x01b"}',
    "a bare line break": b'{"resourceType":"Patient","language":"a\nb"}',
    "a wrong escape": b'{"resourceType":"Patient","language":"\\x"}',
    "no UTF-8": b'{"resourceType":"Patient","language":"\xff"}',
    "an overlong byte sequence": b'{"resourceType":"Patient","language":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"resourceType":"Patient","language":"\xed\xa0\x80"}',
    "UTF-16": '{"resourceType":"Patient"}'.encode("utf-16"),
    "GBK": '{"resourceType":"Patient","name":[{"text":"王"}]}'.encode("gbk"),
    "a byte order mark": b'\xef\xbb\xbf{"resourceType":"Patient"}',
    "a list": b'[{"resourceType":"Patient"}]',
    "text": b'"Patient"',
    "null": b"null",
    "a number": b"1",
    "an empty object": b"{}",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_json_is_refused(fhir: Fhir, name: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc8259 and http://hl7.org/fhir/R4/json.html: 400."""
    for answer in (
        await fhir.post("/Patient", MALFORMED[name], content_type="application/fhir+json"),
        await fhir.put("/Patient/malformed", MALFORMED[name], content_type="application/fhir+json"),
        await fhir.post("/", MALFORMED[name], content_type="application/fhir+json"),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json()["issue"][0]["code"] in ("structure", "value", "required", "invalid")
    assert_outcome(await fhir.get("/Patient/malformed"), 404, "not-found")


PATIENT: Final[dict[str, tuple[str, str, str]]] = {
    # what              properties                                                   issue             element
    "unknown element": ('"nonsense":1', "structure", "Patient.nonsense"),
    "unknown element within": ('"name":[{"text":"a"},{"nonsense":1}]', "structure", "Patient.name[1].nonsense"),
    "another case": ('"Gender":"male"', "structure", "Patient.Gender"),
    "an element twice": ('"gender":"male","gender":"male"', "structure", "Patient.gender"),
    "an escaped name twice": ('"gender":"male","\\u0067ender":"male"', "structure", "Patient.gender"),
    "an empty list": ('"name":[]', "structure", "Patient.name"),
    "an empty object": ('"name":[{}]', "structure", "Patient.name[0]"),
    "an empty text": ('"language":""', "structure", "Patient.language"),
    "a blank text": ('"name":[{"text":" "}]', "value", "Patient.name[0].text"),
    "null": ('"gender":null', "structure", "Patient.gender"),
    "null in a list": ('"name":[null]', "structure", "Patient.name[0]"),
    "null without extension": ('"name":[{"given":["a",null]}]', "structure", "Patient.name[0].given[1]"),
    "null beside null": (
        '"name":[{"given":["a",null],"_given":[{"id":"x"},null]}]',
        "structure",
        "Patient.name[0].given",
    ),
    "lists of other lengths": (
        '"name":[{"given":["a"],"_given":[{"id":"x"},{"id":"y"}]}]',
        "structure",
        "Patient.name[0].given",
    ),
    "one instead of many": ('"name":{"text":"a"}', "structure", "Patient.name"),
    "many instead of one": ('"gender":["male"]', "structure", "Patient.gender"),
    "text for a boolean": ('"active":"true"', "structure", "Patient.active"),
    "a number for text": ('"language":1', "structure", "Patient.language"),
    "text for an integer": ('"multipleBirthInteger":"1"', "structure", "Patient.multipleBirth"),
    "a fraction for an integer": ('"multipleBirthInteger":1.5', "structure", "Patient.multipleBirth"),
    "too large an integer": ('"multipleBirthInteger":2147483648', "value", "Patient.multipleBirth"),
    "an object for text": ('"gender":{"a":1}', "structure", "Patient.gender"),
    "text for an object": ('"name":["a"]', "structure", "Patient.name[0]"),
    "two types of a choice": ('"deceasedBoolean":true,"deceasedDateTime":"2024"', "structure", "Patient.deceased"),
    "no type of a choice": ('"deceasedString":"2024"', "structure", "Patient.deceasedString"),
    "a choice without its type": ('"deceased":true', "structure", "Patient.deceased"),
    "a day that is none": ('"birthDate":"2023-02-29"', "value", "Patient.birthDate"),
    "a month that is none": ('"birthDate":"2023-13"', "value", "Patient.birthDate"),
    "the year nought": ('"birthDate":"0000"', "value", "Patient.birthDate"),
    "a time for a day": ('"birthDate":"2023-01-01T00:00:00Z"', "value", "Patient.birthDate"),
    "a time without zone": ('"deceasedDateTime":"2023-01-01T00:00:00"', "value", "Patient.deceased"),
    "a time without seconds": ('"deceasedDateTime":"2023-01-01T00:00Z"', "value", "Patient.deceased"),
    "an hour that is none": ('"deceasedDateTime":"2023-01-01T24:00:00Z"', "value", "Patient.deceased"),
    "a code out of its set": ('"gender":"man"', "code-invalid", "Patient.gender"),
    "a code in another case": ('"gender":"Male"', "code-invalid", "Patient.gender"),
    "a code with blanks": ('"gender":" male"', "code-invalid", "Patient.gender"),
    "a reference to another type": (
        '"generalPractitioner":[{"reference":"Patient/1"}]',
        "value",
        "Patient.generalPractitioner[0].reference",
    ),
    "a reference to no type": (
        '"managingOrganization":{"reference":"Nonsense/1"}',
        "value",
        "Patient.managingOrganization.reference",
    ),
    "a reference without id": (
        '"managingOrganization":{"reference":"Organization"}',
        "value",
        "Patient.managingOrganization.reference",
    ),
    "a uri with a blank": ('"implicitRules":"http://a b"', "value", "Patient.implicitRules"),
    "a required element missing": ('"link":[{"type":"refer"}]', "required", "Patient.link[0].other"),
    "an extension without url": ('"extension":[{"valueString":"a"}]', "required", "Patient.extension[0].url"),
    "an extension of nothing": ('"extension":[{"url":"http://a"}]', "invariant", "Patient.extension[0]"),
    "an extension of both": (
        '"extension":[{"url":"http://a","valueString":"a","extension":[{"url":"b","valueString":"c"}]}]',
        "invariant",
        "Patient.extension[0]",
    ),
    "a lone surrogate": ('"name":[{"text":"\\ud800"}]', "structure", "Patient.name[0].text"),
    "a zero byte": ('"name":[{"text":"\\u0000"}]', "value", "Patient.name[0].text"),
    "a zero byte in a name": ('"\\u0000":1', "value", "Patient"),
    "base64 that is none": ('"photo":[{"data":"%%%"}]', "value", "Patient.photo[0].data"),
    "an id of other signs": (
        '"contact":[{"id":"a","name":{"id":"a","text":"b"}}],"contained":[{"resourceType":"Basic","id":"a b","code":{"text":"x"}}]',
        "value",
        "Patient.contained[0].id",
    ),
    "a contained resource that is none": ('"contained":[{"id":"a"}]', "structure", "Patient.contained[0]"),
    "a resource in a contained one": (
        '"contained":[{"resourceType":"Patient","id":"a","contained":[{"resourceType":"Patient"}]}]',
        "invariant",
        "Patient.contained[0]",
    ),
    "a narrative with a script": (
        '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><script>x</script></div>"}',
        "invariant",
        "Patient.text.div",
    ),
    "a narrative that is cut off": (
        '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p></div>"}',
        "value",
        "Patient.text.div",
    ),
    "a narrative without status": (
        '"text":{"div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">a</div>"}',
        "required",
        "Patient.text.status",
    ),
}


@pytest.mark.parametrize("name", PATIENT)
async def test_what_is_not_a_valid_patient_is_refused_and_the_element_named(shelf: Shelf, name: str) -> None:
    """http://hl7.org/fhir/R4/json.html, http://hl7.org/fhir/R4/datatypes.html and http://hl7.org/fhir/R4/patient.html"""
    properties, code, expression = PATIENT[name]
    await assert_refused(shelf, "Patient", f'{{"resourceType":"Patient",{properties}}}'.encode(), code, expression)


@each_type
async def test_an_unknown_element_of_any_type(shelf: Shelf, served: ServedType) -> None:
    """http://hl7.org/fhir/R4/json.html: no element that R4 does not define."""
    body = json.dumps(minimal(served.type, nonsense=1)).encode()
    answer = await shelf.fhir.post(f"/{served.type}", body)
    assert_outcome(answer, 400, "structure", f"{served.type}.nonsense")


REQUIRED: Final = [
    (
        resource_type,
        element.name,
        f"{element.name}{element.types[0][0].upper()}{element.types[0][1:]}" if element.choice else element.name,
    )
    for resource_type in resource_types()
    if resource_type != "Parameters"
    for element in type_definition(resource_type).elements.values()
    if element.min
]


async def test_each_required_element_of_every_type(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/conformance-rules.html#cardinality"""
    assert len(REQUIRED) > 250
    for resource_type, name, property_name in REQUIRED:
        answer = await fhir.post(f"/{resource_type}", minimal(resource_type, **{property_name: None}))
        assert_outcome(answer, 422, "required", f"{resource_type}.{name}")


CODED: Final = [
    (resource_type, element.name, element.max != 1)
    for resource_type in resource_types()
    if resource_type != "Parameters"
    for element in type_definition(resource_type).elements.values()
    if element.codes and element.types == ("code",)
]


async def test_each_code_of_every_type_under_a_required_binding(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/terminologies.html#required"""
    assert len(CODED) > 150
    for resource_type, name, repeats in CODED:
        answer = await fhir.post(
            f"/{resource_type}", minimal(resource_type, **{name: ["no-such-code"] if repeats else "no-such-code"})
        )
        assert_outcome(
            answer, 422, "code-invalid", f"{resource_type}.{name}[0]" if repeats else f"{resource_type}.{name}"
        )


async def test_a_risk_may_be_told_without_its_probability(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/riskassessment.html#invs: ras-2 is about a probability that is there."""
    told: list[tuple[Json, int]] = [({}, 201), ({"probabilityDecimal": 100}, 201), ({"probabilityDecimal": 101}, 422)]
    for probability, status in told:
        risk = minimal("RiskAssessment", prediction=[{"qualitativeRisk": {"text": "高"}, **probability}])
        assert (await fhir.post("/RiskAssessment", risk)).status_code == status


async def test_every_issue_is_told_at_once(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/operationoutcome.html: one issue for each, with the element."""
    bad = observation(status="wrong", nonsense=1, code=None, category=[], component=[{"code": {"text": "a"}, "x": 1}])
    outcome = assert_outcome(await fhir.post("/Observation", bad), 400, "code-invalid", "Observation.status")
    found = {expression for issue in outcome["issue"] for expression in issue["expression"]}
    assert found == {f"Observation.{e}" for e in ("status", "nonsense", "code", "category", "component[0].x")}


async def test_issues_hold_no_value_of_the_resource(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/security.html: an outcome may be logged, so it tells no personal data [ours]."""
    for elements in (
        {"gender": "王秀英"},
        {"birthDate": "王秀英"},
        {"王秀英": 1},
        {"name": {"text": "王秀英"}},
        {"managingOrganization": {"reference": "王秀英"}},
    ):
        answer = await fhir.post("/Patient", patient(**elements))
        assert answer.status_code in (400, 422)
        assert "王秀英" not in answer.text


@pytest.mark.parametrize("depth", [63, 64, 65, 150, 5000])
async def test_a_body_that_is_too_deep_is_refused(fhir: Fhir, depth: int) -> None:
    """http://hl7.org/fhir/R4/http.html#Status-Codes: a bounded server says so [ours]."""
    extension: Any = '{"url":"http://a","valueString":"a"}'
    levels = (depth - 3) // 2
    body = (
        '{"resourceType":"Patient","extension":['
        + '{"url":"http://a","extension":[' * levels
        + extension
        + "]}" * levels
        + "]}"
    )
    answer = await fhir.post("/Patient", body.encode())
    if depth <= 64:
        assert answer.status_code == 201, answer.text
    else:
        assert_outcome(answer, 400, "too-costly")


async def test_another_type_than_the_urls_is_refused(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#create: the resource is one of the type in the URL."""
    assert_outcome(await fhir.post("/Observation", patient()), 400, "invalid", "resourceType")
    assert_outcome(await fhir.put("/Observation/1", patient(id="1")), 400, "invalid", "resourceType")
    assert_outcome(await fhir.post("/Patient", {"resourceType": "Nonsense"}), 400, "structure", "resourceType")
    assert_outcome(await fhir.post("/Patient", {"gender": "male"}), 400, "required", "resourceType")
    assert_outcome(await fhir.post("/Patient", {"resourceType": 1}), 400, "structure", "resourceType")


@pytest.mark.parametrize(
    "number",
    ["1e400", "1e-500", "1" * 200, "0." + "1" * 200, "1e99999999999999999999", "-1E-99999999999999999999", "9" * 5000],
)
async def test_a_number_beyond_all_measure_is_refused(fhir: Fhir, number: str) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#decimal: 18 digits are a must, 128 are served [ours]."""
    body = json.dumps(observation(valueQuantity={"value": 72})).replace("72", number).encode()
    answer = await fhir.post("/Observation", body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["issue"][0]["code"] == "value"


BULKY: Final[dict[str, Json]] = {
    "strings": patient(name=[{"given": [f"{n:06}" + "长" * 190 for n in range(3000)]}]),
    "strings alike": patient(name=[{"given": ["长" * 200_000] * 4}]),
    "tokens": patient(
        identifier=[{"system": "http://example.org/" + "长" * 300, "value": f"{n}"} for n in range(6000)]
    ),
    "references": observation(performer=[{"reference": f"Practitioner/{n}"} for n in range(20_000)]),
    "quantities": observation(
        component=[{"code": {"text": "x"}, "valueQuantity": {"value": n}} for n in range(10_000)]
    ),
    "one long code": observation(code=coded("http://example.org/" + "长" * 300_000, "长" * 300_000)),
    "dates": minimal("Goal", target=[{"measure": {"text": "x"}, "dueDate": f"{n:04}-01-01"} for n in range(1, 9999)]),
}


@pytest.mark.parametrize("name", BULKY)
async def test_a_resource_of_very_much_is_stored_whole_or_refused_clearly(fhir: Fhir, name: str) -> None:
    """http://hl7.org/fhir/R4/http.html#Status-Codes: size is no failure of the server."""
    answer = await fhir.post(f"/{BULKY[name]['resourceType']}", BULKY[name])
    assert answer.status_code in (201, 413, 422), answer.text[:2000]
    if answer.status_code == 201:
        read = await fhir.get(f"/{answer.json()['resourceType']}/{answer.json()['id']}")
        assert read.content == answer.content
