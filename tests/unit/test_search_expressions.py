"""Search expressions, with fhirpathpy as the oracle: http://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression"""

import json
import re
from pathlib import Path
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from services.fhir.definitions import resource_types, search_parameters
from services.fhir.fhirpath.grammar import parse_expression
from services.fhir.search.expressions import compile_expression

_OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "r4-examples"
_IS_SUBJECT = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject"

SAMPLES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"profile": ["http://example.org/p"], "tag": [{"system": "s", "code": "t"}]},
        "identifier": [{"system": "s", "value": "1"}, {"value": "2"}],
        "name": [{"family": "李", "given": ["秀", "英"]}, {"text": "李秀英"}],
        "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@example.org"}, {"value": "x"}],
        "deceasedDateTime": "2024-05",
        "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "Organization/1"}],
        "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
        "contained": [{"resourceType": "Organization", "name": "inside"}],
    },
    {"resourceType": "Patient", "deceasedBoolean": False},
    {"resourceType": "Patient", "_birthDate": {"extension": [{"url": "u", "valueString": "unknown"}]}},
    {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": "https://example.org/fhir/Patient/1/_history/2"},
        "code": {"coding": [{"system": "s", "code": "c"}]},
        "valueQuantity": {"value": 1},
        "component": [{"code": {"text": "a"}, "valueCodeableConcept": {"text": "b"}}, {"code": {"text": "c"}}],
    },
    {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"type": "Patient"}},
    {
        "resourceType": "Condition",
        "onsetAge": {"value": 70},
        "abatementString": "spring",
        "subject": {"reference": "Group/1"},
    },
    {
        "resourceType": "Composition",
        "relatesTo": [{"targetReference": {"reference": "Composition/1"}}, {"targetIdentifier": {"value": "v"}}],
    },
    {
        "resourceType": "ActivityDefinition",
        "useContext": [{"code": {"code": "a"}, "valueRange": {"low": {"value": 1}}}],
        "relatedArtifact": [{"type": "composed-of", "resource": "http://example.org/a"}, {"type": "citation"}],
    },
    {
        "resourceType": "QuestionnaireResponse",
        "item": [
            {
                "extension": [{"url": _IS_SUBJECT, "valueBoolean": True}],
                "answer": [{"valueReference": {"reference": "Patient/1"}}],
            },
            {"answer": [{"valueReference": {"reference": "Patient/2"}}, {"valueString": "no"}]},
        ],
    },
    {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [{"resource": {"resourceType": "Composition"}}, {"resource": {"resourceType": "Patient"}}],
    },
    {
        "resourceType": "Person",
        "link": [{"target": {"reference": "Patient/1"}}, {"target": {"reference": "RelatedPerson/1"}}],
    },
]


def _for_the_oracle(expression: str, resource_type: str) -> str:
    """Say in fhirpathpy's words what it lacks: references decide by their text, `as` filters a collection."""
    expression = re.sub(r"\((\S+) as (\w+)\)", r"\1.ofType(\2)", expression).replace(".as(", ".ofType(")
    expression = re.sub(r"\b(Domain)?Resource\.", f"{resource_type}.", expression)
    expression = expression.replace("hasExtension(", "extension(").replace("isSubject')", "isSubject').exists()")
    by_text = r"(reference.matches('^(.*/)?\1/[^/]+(/_history/.+)?$') or (reference.exists().not() and type = '\1'))"
    return re.sub(r"resolve\(\) is (\w+)", by_text, expression)


def _plain(values: list[Any]) -> list[str]:
    return sorted({json.dumps(value, sort_keys=True, default=float) for value in values})


def _examples() -> list[dict[str, Any]]:
    official = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(_OFFICIAL.glob("*.json"))]
    return SAMPLES + official


def _name(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}-{resource.get('id')}"


@pytest.mark.parametrize("resource", _examples(), ids=_name)
def test_every_parameter_finds_what_fhirpath_finds(resource: dict[str, Any]) -> None:
    resource_type = resource["resourceType"]
    for parameter in search_parameters(resource_type).values():
        if not parameter.expression or parameter.type == "composite":
            continue
        found = compile_expression(parameter.expression, resource_type)(resource)
        expression = _for_the_oracle(parameter.expression, resource_type)
        expected = fhirpathpy.evaluate(resource, expression, {}, models["r4"])
        assert _plain([value for value, _ in found]) == _plain(expected), parameter.code


@pytest.mark.parametrize("resource_type", resource_types())
def test_every_r4_expression_compiles_also_those_of_composite_components(resource_type: str) -> None:
    for parameter in search_parameters(resource_type).values():
        if parameter.expression:
            compile_expression(parameter.expression, resource_type)


def _found(expression: str, resource: dict[str, Any], base: str | None = None) -> list[tuple[Any, str]]:
    return compile_expression(expression, base or resource["resourceType"])(resource)


def test_a_choice_tells_the_type_that_was_chosen() -> None:
    assert _found("Observation.value", SAMPLES[3]) == [({"value": 1}, "Quantity")]
    assert _found("Observation.value.as(DateTime)", {"resourceType": "Observation", "valueDateTime": "2024"}) == [
        ("2024", "dateTime")
    ]


def test_a_primitive_that_has_only_an_extension_is_no_value() -> None:
    name = {"given": ["秀", None], "_given": [None, {"id": "a"}]}
    assert _found("Patient.name.given", {"resourceType": "Patient", "name": [name]}) == [("秀", "string")]


def test_contained_resources_are_not_searched() -> None:
    assert all(
        "inside" not in str(value) for value, _ in _found("Patient.name | Patient.managingOrganization", SAMPLES[0])
    )


def test_a_part_for_another_base_finds_nothing() -> None:
    assert _found("Group.name | Patient.gender", {"resourceType": "Patient", "gender": "female"}) == [
        ("female", "code")
    ]


def test_deceased_is_a_boolean_whatever_was_recorded() -> None:
    deceased = search_parameters("Patient")["deceased"].expression
    assert [_found(deceased, patient)[0][0] for patient in SAMPLES[:3]] == [True, False, False]


def test_a_component_of_a_composite_is_evaluated_on_its_backbone() -> None:
    component = SAMPLES[3]["component"][0]
    assert _found("value.as(CodeableConcept)", component, "Observation.component") == [
        ({"text": "b"}, "CodeableConcept")
    ]


def test_a_component_of_a_composite_may_look_at_the_resource() -> None:
    chromosome = compile_expression("%resource.referenceSeq.chromosome", "MolecularSequence.variant")
    resource = {"resourceType": "MolecularSequence", "referenceSeq": {"chromosome": {"text": "1"}}}
    assert chromosome({"start": 1}, resource) == [({"text": "1"}, "CodeableConcept")]


@pytest.mark.parametrize(
    "expression",
    ["Patient.", "Patient.name[x]", "Patient.name)", "Patient name", "Patient.name.trace('x')", "Patient.nme", "$"],
)
def test_what_search_expressions_do_not_use_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compile_expression(expression, "Patient")


def test_is_and_as_bind_tighter_than_the_union() -> None:
    assert parse_expression("a as B | c") == parse_expression("(a as B) | c")
