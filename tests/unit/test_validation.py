"""What R4 itself does not allow is found and named: http://hl7.org/fhir/R4/validation.html"""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fhir.outcomes import FhirError, Issue
from services.fhir.validation import parse, validate

Json = dict[str, Any]

LOINC = "http://loinc.org"
UNKNOWN_REASON = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>血压</p></div>'

OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "bp-1",
    "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"], "lastUpdated": "2024-05-01T10:00:00Z"},
    "text": {"status": "generated", "div": DIV},
    "contained": [{"resourceType": "Device", "id": "cuff", "status": "active"}],
    "status": "final",
    "category": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
    ],
    "code": {"coding": [{"system": LOINC, "code": "85354-9", "display": "血压"}], "text": "血压"},
    "subject": {"reference": "Patient/1", "type": "Patient"},
    "effectiveDateTime": "2024-05-01T18:00:00+08:00",
    "issued": "2024-05-01T18:00:01.000+08:00",
    "device": {"reference": "#cuff"},
    "component": [
        {
            "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
            "valueQuantity": {"value": 107.50, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        },
        {"code": {"text": "舒张压"}, "dataAbsentReason": {"text": "未测"}},
    ],
}
PATIENT: Json = {
    "resourceType": "Patient",
    "extension": [{"url": "http://example.org/nested", "extension": [{"url": "part", "valueString": "x"}]}],
    "name": [{"family": "测试", "given": ["一", None], "_given": [None, {"id": "g2", **UNKNOWN_REASON}]}],
    "gender": "female",
    "birthDate": "1944-02-29",
    "_birthDate": {"extension": [{"url": "http://example.org/time", "valueDateTime": "1944-02-29T06:00:00+08:00"}]},
    "multipleBirthInteger": 2,
    "photo": [{"contentType": "image/png", "data": "aGVsbG8="}],
    "generalPractitioner": [{"reference": "Practitioner/a.b-c/_history/2"}],
    "link": [{"other": {"reference": "https://elsewhere.example/fhir/Patient/9"}, "type": "seealso"}],
}


def refusal(resource: Json) -> FhirError | None:
    body = json.dumps(resource, ensure_ascii=False).encode()
    try:
        validate(parse(body, None))
    except FhirError as error:
        return error
    return None


def issues_of(resource: Json) -> list[Issue]:
    error = refusal(resource)
    return list(error.issues) if error else []


def found(resource: Json) -> list[tuple[str, str]]:
    return [(issue.code, *issue.expression) for issue in issues_of(resource)]  # type: ignore[misc]


def changed(resource: Json, **elements: Any) -> Json:
    merged = {**deepcopy(resource), **elements}
    return {name: value for name, value in merged.items() if value is not ...}


@pytest.mark.parametrize("resource", [OBSERVATION, PATIENT])
def test_a_full_resource_is_valid(resource: Json) -> None:
    assert found(resource) == []


@pytest.mark.parametrize(
    ("elements", "issues"),
    [
        ({"status": ...}, [("required", "Observation.status")]),
        ({"status": ..., "_status": UNKNOWN_REASON}, []),
        ({"status": "done"}, [("code-invalid", "Observation.status")]),
        ({"status": 1}, [("structure", "Observation.status")]),
        ({"status": None}, [("structure", "Observation.status")]),
        ({"status": ["final"]}, [("structure", "Observation.status")]),
        ({"status": ["final", {}]}, [("structure", "Observation.status")]),
        ({"stattus": "final"}, [("structure", "Observation.stattus")]),
        ({"王秀英": "final"}, [("structure", "Observation")]),
        ({"code": "x"}, [("structure", "Observation.code")]),
        ({"code": {}}, [("structure", "Observation.code")]),
        ({"code": [{"text": "x"}]}, [("structure", "Observation.code")]),
        ({"category": {"text": "x"}}, [("structure", "Observation.category")]),
        ({"category": []}, [("structure", "Observation.category")]),
        ({"category": [None]}, [("structure", "Observation.category[0]")]),
        ({"value": "x"}, [("structure", "Observation.value")]),
        ({"valueAddress": {"text": "x"}}, [("structure", "Observation.valueAddress")]),
        ({"valueString": "x", "valueInteger": 1}, [("structure", "Observation.value")]),
        ({"valueString": "x", "_valueInteger": UNKNOWN_REASON}, [("structure", "Observation.value")]),
        ({"valueString": "x", "_valueString": UNKNOWN_REASON}, []),
        ({"_valueString": {}}, [("structure", "Observation.value")]),
        ({"_code": {"id": "x"}}, [("structure", "Observation._code")]),
        ({"_id": {"id": "x"}}, [("structure", "Observation._id")]),
        ({"__status": {"id": "x"}}, [("structure", "Observation.__status")]),
        ({"valueString": ""}, [("structure", "Observation.value")]),
        ({"valueString": " \n"}, [("value", "Observation.value")]),
        ({"component": [{"valueInteger": 1}]}, [("required", "Observation.component[0].code")]),
        ({"component": [{"code": {"text": "x"}}, {"code": {"text": ""}}]}, [("structure", "Observation.component[1].code.text")]),
        ({"subject": {"reference": "Practitioner/1"}}, [("value", "Observation.subject.reference")]),
        ({"subject": {"type": "Practitioner"}}, [("value", "Observation.subject.type")]),
        ({"subject": {"reference": "Patient/1", "type": "Group"}}, [("value", "Observation.subject.type")]),
        ({"contained": [{"resourceType": "Device", "id": "cuff", "contained": [{"resourceType": "Basic", "code": {"text": "x"}}]}]}, [("invariant", "Observation.contained[0]")]),
        ({"contained": [{"resourceType": "Device", "id": "cuff", "status": "broken"}]}, [("code-invalid", "Observation.contained[0].status")]),
        ({"contained": [{"id": "cuff"}], "device": ...}, [("structure", "Observation.contained[0]")]),
        ({"extension": [{"url": "http://a"}]}, [("invariant", "Observation.extension[0]")]),
        ({"extension": [{"url": "http://a", "valueString": "x", "extension": [{"url": "b", "valueString": "x"}]}]}, [("invariant", "Observation.extension[0]")]),
        ({"extension": [{"valueString": "x"}]}, [("required", "Observation.extension[0].url")]),
    ],
)  # fmt: skip
def test_an_observation_that_breaks_a_rule(elements: Json, issues: list[tuple[str, str]]) -> None:
    assert found(changed(OBSERVATION, **elements)) == issues


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [
        ({"given": ["a", "b"]}, True),
        ({"given": [None, "b"], "_given": [UNKNOWN_REASON, None]}, True),
        ({"given": [None, "b"], "_given": [{"id": "x"}, None]}, False),
        ({"given": ["a", "b"], "_given": [{"id": "x"}, None]}, True),
        ({"_given": [UNKNOWN_REASON]}, True),
        ({"_given": [{"id": "x"}]}, False),
        ({"_family": {"id": "x"}}, False),
        ({"family": "a", "_family": {"id": "x"}}, True),
        ({"_family": UNKNOWN_REASON}, True),
        ({"given": ["a", None]}, False),
        ({"given": ["a", None], "_given": [None, None]}, False),
        ({"given": ["a"], "_given": [None, {"id": "x"}]}, False),
        ({"_given": [None]}, False),
        ({"_given": {"id": "x"}}, False),
        ({"_given": [{}], "given": ["x"]}, False),
    ],
)
def test_repeating_primitives_and_their_extensions_stand_side_by_side(name: Json, is_valid: bool) -> None:  # noqa: FBT001
    assert (found(changed(PATIENT, name=[name])) == []) == is_valid


VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "Boolean": ([True, False], ["true", 1, None]),
    "Integer": ([0, -1, 2**31 - 1, -(2**31)], [2**31, 1.0, "1", True]),
    "UnsignedInt": ([0], [-1]),
    "PositiveInt": ([1], [0]),
    "Decimal": ([0, 1.5, -0.0, 10**100, 1e-300], ["1.5", 10**400, True, {}]),
    "String": (["x", " x ", "a\u3000b", "👵"], [1, "", "\u3000"]),
    "Code": (["a", "a b", "血压"], ["", " a", "a ", "a  b", "a\tb", "a\nb"]),
    "Uri": (["urn:x", "http://a/中文", "a"], ["", "a b", "a\n"]),
    "Id": (["a.B-9", "x" * 64], ["", "x" * 65, "a_b", "a\n", "中"]),
    "Base64Binary": (["aGVsbG8=", "aGVs\nbG8="], ["", " ", "aGVsbG8", "a===", "中文", "aGVsbG8=="]),
    "Date": (["2024", "2024-05", "2024-02-29", "2000-02-29"], ["0000", "2023-02-29", "1900-02-29", "2024-04-31", "2024-5", "24", "2024-13", "2024-05-01T"]),
    "DateTime": (["2024", "2024-02-29T23:59:60Z", "2024-05-01T10:00:00.123456+14:00"], ["2024-05-01T10:00:00", "2024-05-01T10:00Z", "2024-05-01T24:00:00Z", "2023-02-29T10:00:00Z", "2024-05-01T10:00:00+15:00", "2024-05-01 10:00:00Z", "2024-05-01\n"]),
    "Instant": (["2024-05-01T10:00:00Z"], ["2024-05-01", "2024-05-01T10:00:00"]),
    "Time": (["10:00:00", "23:59:59.5"], ["10:00", "24:00:00", "10:00:00Z"]),
    "Oid": (["urn:oid:1.2.3"], ["1.2.3", "urn:oid:3.1", "urn:oid:1.02"]),
    "Uuid": (["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"], ["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:1"]),
    "Markdown": (["# x"], [" "]),
    "Canonical": (["http://a|1"], ["http://a |1"]),
}  # fmt: skip


@pytest.mark.parametrize("type_name", VALUES)
def test_primitives_have_the_lexical_form_of_their_type(type_name: str) -> None:
    right, wrong = VALUES[type_name]
    for value in right:
        assert found(changed(PATIENT, extension=[{"url": "http://a", f"value{type_name}": value}])) == [], value
    for value in wrong:
        issues = found(changed(PATIENT, extension=[{"url": "http://a", f"value{type_name}": value}]))
        assert [expression for _, expression in issues] == ["Patient.extension[0].value"], value


@pytest.mark.parametrize("literal", ["1e-500", "1e400", "0e-500", "1." + "0" * 200])
def test_a_number_of_unreasonable_size_is_refused(literal: str) -> None:
    body = f'{{"resourceType":"Patient","extension":[{{"url":"a","valueDecimal":{literal}}}]}}'
    with pytest.raises(FhirError) as caught:
        validate(parse(body.encode(), None))
    assert caught.value.issues[0].expression == ("Patient.extension[0].value",)


@pytest.mark.parametrize(
    ("reference", "is_valid"),
    [
        ("Patient/1", True),
        ("Patient/1/_history/2", True),
        ("Patient?identifier=http://a|1", True),
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", True),
        ("#", True),
        ("https://elsewhere.example/fhir/Patient/1", True),
        ("https://elsewhere.example/anything", True),
        ("https://elsewhere.example/fhir/Medication/1", False),
        ("Medication/1", False),
        ("Medication?identifier=x", False),
        ("Patent/1", False),
        ("Patient/", False),
        ("Patient/a_b", False),
        ("1", False),
        ("", False),
    ],
)
def test_a_literal_reference_leads_to_an_allowed_type(reference: str, is_valid: bool) -> None:  # noqa: FBT001
    assert (found(changed(OBSERVATION, subject={"reference": reference})) == []) == is_valid


def test_a_required_binding_on_a_concept_needs_one_of_its_codings() -> None:
    condition: Json = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    active = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
    own = {"system": "http://example.org", "code": "active"}
    assert found({**condition, "clinicalStatus": {"coding": [own, active]}}) == []
    assert found({**condition, "clinicalStatus": {"coding": [own]}}) == [("code-invalid", "Condition.clinicalStatus")]
    assert found({**condition, "clinicalStatus": {"text": "活动期"}}) == [("code-invalid", "Condition.clinicalStatus")]


def test_resources_inside_resources_are_validated_as_what_they_are() -> None:
    wrong = changed(OBSERVATION, status="done", meta=...)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}, {"resource": wrong}]}
    assert found(bundle) == [("code-invalid", "Bundle.entry[1].resource.status")]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": wrong}]}
    assert found(parameters) == [("code-invalid", "Parameters.parameter[0].resource.status")]
    assert found({**bundle, "entry": [{"resource": {"status": "x"}}]}) == [("structure", "Bundle.entry[0].resource")]


def test_all_issues_are_told_at_once() -> None:
    wrong = changed(OBSERVATION, status="done", code=..., component=[{"valueInteger": "1"}], subjekt=1)
    assert set(found(wrong)) == {
        ("code-invalid", "Observation.status"),
        ("required", "Observation.code"),
        ("required", "Observation.component[0].code"),
        ("structure", "Observation.component[0].value"),
        ("structure", "Observation.subjekt"),
    }


def test_wrong_structure_is_400_and_a_broken_rule_422() -> None:
    for elements, status in (({"status": 1}, 400), ({"status": "done"}, 422), ({"code": ...}, 422)):
        error = refusal(changed(OBSERVATION, **elements))
        assert error
        assert error.status == status


def test_a_body_that_is_wrong_everywhere_gets_a_bounded_answer() -> None:
    names = [{f"x{number}": 1, "text": number} for number in range(1000)]
    assert len(issues_of(changed(PATIENT, name=names, **{f"y{number}": 1 for number in range(1000)}))) == 100


def test_nothing_personal_is_repeated() -> None:
    wrong = changed(PATIENT, gender="王秀英 110101199003071234", birthDate="王秀英", 王秀英=1, id="王秀英")
    said = "".join(issue.diagnostics + issue.text + "".join(issue.expression) for issue in issues_of(wrong))
    assert "王秀英" not in said
    assert "1101" not in said
    assert "'done'" in issues_of(changed(OBSERVATION, status="done"))[0].diagnostics


Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> list[Path]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, child in children for each in paths(child, (*path, key)))]


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


BREAKS: dict[str, Callable[[Any], Any]] = {
    "null": lambda _: None,
    "an empty array": lambda _: [],
    "an empty object": lambda _: {},
    "an empty string": lambda _: "",
    "wrapped": lambda value: [value],
    "boxed": lambda value: {"x": value},
    "an unknown property": lambda value: {**value, "unknown": 1} if isinstance(value, dict) else {"unknown": value},
}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([OBSERVATION, PATIENT]), st.data())
def test_any_element_that_is_broken_is_found_where_it_is(resource: Json, data: st.DataObject) -> None:
    mutable = deepcopy(resource)
    places = [path for path in paths(mutable)[1:] if path[0] != "resourceType" and at(mutable, path) is not None]
    path = data.draw(st.sampled_from(places))
    name = data.draw(st.sampled_from(sorted(BREAKS)))
    parent = at(mutable, path[:-1])
    parent[path[-1]] = BREAKS[name](parent[path[-1]])
    assert found(mutable), (name, path)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.data(),
)
def test_whatever_is_put_in_the_answer_is_a_verdict(value: Any, data: st.DataObject) -> None:
    mutable = deepcopy(OBSERVATION)
    path = data.draw(st.sampled_from([path for path in paths(mutable)[1:] if path[0] != "resourceType"]))
    at(mutable, path[:-1])[path[-1]] = value
    for issue in issues_of(mutable):
        assert issue.code in {"structure", "value", "required", "invariant", "code-invalid"}
        assert issue.expression[0].startswith("Observation")
