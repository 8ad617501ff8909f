"""FHIRPath Patch as R4 says: http://hl7.org/fhir/R4/fhirpatch.html"""

import json
from typing import Any

import pytest

from services.fhir.headers import FHIR_JSON
from services.fhir.outcomes import FhirError
from services.fhir.patch import apply_patch

Json = dict[str, Any]


def operation(kind: str, path: str, **parts: Any) -> Json:
    """`value={"valueString": "x"}` gives the value; integers are indexes, texts are names."""
    named = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        kind_of = "valueInteger" if isinstance(value, int) else "valueString"
        named.append({"name": name, **value} if isinstance(value, dict) else {"name": name, kind_of: value})
    return {"name": "operation", "part": named}


def patched(resource: Json, *operations: Json) -> Json:
    patch = {"resourceType": "Parameters", "parameter": list(operations)}
    body = json.dumps({"resourceType": "Patient", **resource}).encode()
    result: Json = json.loads(apply_patch(body, FHIR_JSON, json.dumps(patch).encode()))
    del result["resourceType"]
    return result


def refused(status: int, resource: Json, *operations: Json) -> None:
    with pytest.raises(FhirError) as failure:
        patched(resource, *operations)
    assert failure.value.status == status, failure.value


def text(value: str) -> Json:
    return {"valueString": value}


NAMES: Json = {"name": [{"family": "王"}, {"use": "old", "family": "李", "given": ["a", "b"]}, {"family": "赵"}]}


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({}, operation("add", "Patient", name="birthDate", value={"valueDate": "1930-01-01"}), {"birthDate": "1930-01-01"}),
        ({}, operation("add", "Patient", name="deceased", value={"valueBoolean": True}), {"deceasedBoolean": True}),
        ({}, operation("add", "Patient", name="name", value={"valueHumanName": {"family": "王"}}), {"name": [{"family": "王"}]}),
        ({"name": [{}]}, operation("add", "Patient.name[0]", name="given", value=text("a")), {"name": [{"given": ["a"]}]}),
        (NAMES, operation("delete", "Patient.name[1]"), {"name": [{"family": "王"}, {"family": "赵"}]}),
        ({"name": [{"family": "x"}]}, operation("delete", "Patient.name"), {}),
        ({"gender": "male"}, operation("delete", "Patient.birthDate"), {"gender": "male"}),
        ({"gender": "male"}, operation("replace", "Patient.gender", value={"valueCode": "female"}), {"gender": "female"}),
        (
            {"deceasedBoolean": True},
            operation("replace", "Patient.deceased", value={"valueDateTime": "2024"}),
            {"deceasedDateTime": "2024"},
        ),
        (
            NAMES,
            operation("replace", "Patient.name.where(use = 'old').family", value=text("孙")),
            {"name": [{"family": "王"}, {"use": "old", "family": "孙", "given": ["a", "b"]}, {"family": "赵"}]},
        ),
        (
            {"name": [{"given": ["a", "c"]}]},
            operation("insert", "Patient.name[0].given", index=1, value=text("b")),
            {"name": [{"given": ["a", "b", "c"]}]},
        ),
        ({"name": [{"family": "x"}]}, operation("insert", "Patient.name", index=1, value={"valueHumanName": {"family": "y"}}),
         {"name": [{"family": "x"}, {"family": "y"}]}),
        ({"name": [{}]}, operation("insert", "Patient.name[0].given", index=0, value=text("a")), {"name": [{"given": ["a"]}]}),
        (
            {"name": [{"given": ["a", "b", "c"]}]},
            operation("move", "Patient.name[0].given", source=2, destination=0),
            {"name": [{"given": ["c", "a", "b"]}]},
        ),
        (
            {"name": [{"given": ["a", "b", "c"]}]},
            operation("move", "Patient.name[0].given", source=0, destination=1),
            {"name": [{"given": ["b", "a", "c"]}]},
        ),
    ],
)  # fmt: skip
def test_each_operation_does_what_the_table_says(before: Json, patch: Json, after: Json) -> None:
    assert patched(before, patch) == after


def test_an_element_without_a_data_type_is_given_by_its_parts() -> None:
    contact = {
        "part": [
            {"name": "name", "valueHumanName": {"text": "王"}},
            {"name": "telecom", "valueContactPoint": {"system": "phone", "value": "1"}},
            {"name": "telecom", "valueContactPoint": {"system": "phone", "value": "2"}},
            {"name": "gender", "valueCode": "male", "_valueCode": {"id": "g"}},
        ]
    }
    assert patched({}, operation("add", "Patient", name="contact", value=contact)) == {
        "contact": [
            {
                "name": {"text": "王"},
                "telecom": [{"system": "phone", "value": "1"}, {"system": "phone", "value": "2"}],
                "gender": "male",
                "_gender": {"id": "g"},
            }
        ]
    }


def test_extensions_of_primitives_stay_beside_their_values() -> None:
    before = {"name": [{"given": ["a", "b", "c"], "_given": [None, {"id": "b"}, None]}]}
    path = "Patient.name[0].given"
    assert patched(before, operation("insert", path, index=0, value=text("x")))["name"][0]["_given"] == [
        None,
        None,
        {"id": "b"},
        None,
    ]
    assert patched(before, operation("move", path, source=1, destination=0))["name"][0]["_given"] == [
        {"id": "b"},
        None,
        None,
    ]
    assert patched(before, operation("delete", f"{path}[0]"))["name"][0] == {
        "given": ["b", "c"],
        "_given": [{"id": "b"}, None],
    }
    assert patched(before, operation("delete", f"{path}[1]"))["name"][0] == {"given": ["a", "c"]}
    assert patched(before, operation("replace", f"{path}[1]", value=text("y")))["name"][0] == {"given": ["a", "y", "c"]}


def test_an_extension_is_added_to_a_primitive_and_found_by_its_url() -> None:
    extension = {"valueString": "y"}
    parts = {"part": [{"name": "url", "valueUri": "http://x"}, {"name": "value", **extension}]}
    marked = patched({"birthDate": "1930"}, operation("add", "Patient.birthDate", name="extension", value=parts))
    assert marked == {"birthDate": "1930", "_birthDate": {"extension": [{"url": "http://x", **extension}]}}
    changed = patched(
        {"extension": [{"url": "http://a", "valueString": "a"}, {"url": "http://b", "valueString": "b"}]},
        operation("replace", "Patient.extension('http://b').value", value={"valueInteger": 4}),
    )
    assert changed["extension"] == [{"url": "http://a", "valueString": "a"}, {"url": "http://b", "valueInteger": 4}]


def test_contained_resources_are_elements_too() -> None:
    before = {"contained": [{"resourceType": "Organization", "id": "o", "name": "x"}]}
    after = patched(
        before,
        operation("replace", "Patient.contained.where(id = 'o').name", value=text("y")),
        operation(
            "add",
            "Patient",
            name="contained",
            value={"resource": {"resourceType": "Basic", "id": "b", "code": {"text": "b"}}},
        ),
    )
    assert [c.get("name") for c in after["contained"]] == ["y", None]


@pytest.mark.parametrize(
    "patch",
    [
        operation("add", "Patient.name", name="given", value=text("a")),
        operation("add", "Patient.photo", name="title", value=text("a")),
        operation("add", "Patient", name="gender", value={"valueCode": "male"}),
        operation("add", "Patient", name="birthDate", value={"valueInteger": 1930}),
        operation("replace", "Patient.birthDate", value={"valueDate": "1930"}),
        operation("replace", "Patient.name", value={"valueHumanName": {"family": "x"}}),
        operation("delete", "Patient.name"),
        operation("insert", "Patient.name", index=4, value={"valueHumanName": {"family": "x"}}),
        operation("insert", "Patient.gender", index=0, value={"valueCode": "male"}),
        operation("insert", "Patient.name.given", index=0, value=text("x")),
        operation("move", "Patient.name", source=0, destination=3),
        operation("move", "Patient.name", source=3, destination=0),
    ],
)
def test_what_does_not_fit_the_resource_is_422(patch: Json) -> None:
    refused(422, {**NAMES, "gender": "male"}, patch)


@pytest.mark.parametrize(
    "patch",
    [
        operation("upsert", "Patient.name"),
        operation("add", "Patient"),
        operation("add", "Patient", name="name"),
        operation("add", "Patient", name="nonsense", value=text("x")),
        operation("add", "Patient", name="deceased", value={"valueInteger": 1}),
        operation("delete", "Patient"),
        operation("replace", "Patient", value=text("x")),
        operation("delete", "Patient.nonsense"),
        operation("delete", "Patient.name["),
        operation("delete", "Patient.name.where("),
        operation("delete", "Patient.name.where(family.matches('(a+)+$'))"),
        operation("delete", "Patient.name.where(family.nonsense())"),
        operation("delete", "Patient.managingOrganization.resolve().name"),
        operation("delete", "'x'"),
        operation("delete", "Patient.name.where(" + "(" * 400 + "true" + ")" * 400 + ")"),
        operation("insert", "Patient.name", value={"valueHumanName": {}}),
        operation("insert", "Patient.name", index=-1, value={"valueHumanName": {"family": "x"}}),
        operation("move", "Patient.name", source=0),
        {"name": "operation"},
        {"name": "other", "valueString": "x"},
    ],
)
def test_what_is_no_patch_is_400_or_422(patch: Json) -> None:
    with pytest.raises(FhirError) as failure:
        patched(NAMES, patch)
    assert failure.value.status in (400, 422)


def test_a_patch_without_an_operation_is_refused() -> None:
    refused(400, {})


def test_what_is_left_alone_keeps_every_byte() -> None:
    body = b'{"resourceType":"Observation","valueQuantity" : {"value":1.00}, "component":[{"valueQuantity":{"value":2.0E+1,"unit":"x"}}]}'
    patch = {
        "resourceType": "Parameters",
        "parameter": [operation("replace", "Observation.component[0].value.unit", value=text("y"))],
    }
    result = apply_patch(body, FHIR_JSON, json.dumps(patch).encode())
    assert (
        result
        == b'{"resourceType":"Observation","valueQuantity":{"value":1.00},"component":[{"valueQuantity":{"value":2.0E+1,"unit":"y"}}]}'
    )
