"""R4 as data says what R4 says: http://hl7.org/fhir/R4/"""

import pytest

from services.fhir.definitions import (
    patient_compartment,
    property_of,
    required_codes,
    required_systems,
    resource_types,
    search_parameters,
    type_definition,
)
from services.fhir.definitions.extract_search import cut


def test_the_concrete_resources_of_r4_are_all_there() -> None:
    names = resource_types()
    assert len(names) == 146
    assert list(names) == sorted(names)
    assert not {"Resource", "DomainResource"} & set(names)


def test_every_type_that_an_element_names_is_defined() -> None:
    pending, seen = set(resource_types()), set[str]()
    while pending:
        name = pending.pop()
        seen.add(name)
        elements = type_definition(name).elements.values()
        pending |= {type_ for element in elements for type_ in element.types} - seen - {"Resource"}
    assert {"Timing.repeat", "ElementDefinition.slicing", "Observation.component", "uuid"} <= seen


def test_a_resource_has_its_inherited_elements_first() -> None:
    inherited = ["id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"]
    assert list(type_definition("Patient").elements)[:8] == inherited
    assert list(type_definition("Bundle").elements)[:5] == ["id", "meta", "implicitRules", "language", "identifier"]


@pytest.mark.parametrize(
    ("type_name", "element", "cardinality", "types"),
    [
        ("Observation", "status", (1, 1), ("code",)),
        ("Observation", "component", (0, None), ("Observation.component",)),
        ("Observation.component", "referenceRange", (0, None), ("Observation.referenceRange",)),
        ("Questionnaire.item", "item", (0, None), ("Questionnaire.item",)),
        ("Patient", "id", (0, 1), ("id",)),
        ("HumanName", "id", (0, 1), ("string",)),
        ("Extension", "url", (1, 1), ("uri",)),
        ("Narrative", "div", (1, 1), ("xhtml",)),
        ("Bundle.entry", "resource", (0, 1), ("Resource",)),
        ("Timing", "repeat", (0, 1), ("Timing.repeat",)),
    ],
)
def test_elements_have_the_cardinality_and_types_of_r4(
    type_name: str, element: str, cardinality: tuple[int, int | None], types: tuple[str, ...]
) -> None:
    found = type_definition(type_name).elements[element]
    assert ((found.min, found.max), found.types) == (cardinality, types)


def test_kinds_tell_resources_complex_types_backbones_and_primitives_apart() -> None:
    names = ("Patient", "HumanName", "Patient.contact", "code")
    assert [type_definition(name).kind for name in names] == ["resource", "complex", "backbone", "primitive"]
    assert list(type_definition("code").elements) == ["id", "extension"]


def test_a_choice_is_found_by_its_json_name() -> None:
    element, type_ = property_of("Observation", "valueQuantity") or pytest.fail("not found")
    assert (element.name, element.choice, type_) == ("value", True, "Quantity")
    assert len(type_definition("Extension").elements["value"].types) == 50
    assert property_of("Observation", "value") is None
    assert property_of("Observation", "_status") is None
    assert property_of("Observation", "valueAddress") is None


def test_references_know_their_targets() -> None:
    assert type_definition("Observation").elements["subject"].targets == ("Patient", "Group", "Device", "Location")
    assert type_definition("Provenance").elements["target"].targets == ()


def test_required_bindings_are_expanded() -> None:
    gender = type_definition("Patient").elements["gender"].codes or pytest.fail("no binding")
    assert required_codes(gender) == {"male", "female", "other", "unknown"}
    clinical = type_definition("Condition").elements["clinicalStatus"].codes or pytest.fail("no binding")
    assert "inactive" in required_systems(clinical)["http://terminology.hl7.org/CodeSystem/condition-clinical"]
    assert "Patient" in required_codes("http://hl7.org/fhir/ValueSet/resource-types")


def test_a_binding_that_r4_alone_cannot_expand_is_none() -> None:
    assert type_definition("Attachment").elements["contentType"].codes is None
    assert type_definition("Money").elements["currency"].codes is None


def test_search_parameters_are_cut_to_their_type() -> None:
    assert search_parameters("Observation")["code"].expression == "Observation.code"
    assert search_parameters("DeviceRequest")["code"].expression == "(DeviceRequest.code as CodeableConcept)"
    patient = search_parameters("Encounter")["patient"]
    assert patient.expression == "Encounter.subject.where(resolve() is Patient)"
    assert (
        search_parameters("Patient")["deceased"].expression == "Patient.deceased.exists() and Patient.deceased != false"
    )
    assert search_parameters("InsurancePlan")["name"].expression == "name | alias"


def test_a_union_inside_parentheses_stays_whole() -> None:
    assert cut("A.b.where(c | d) | (B.c as X) | A.e", "A") == "A.b.where(c | d) | A.e"
    assert cut("A.b.where(c | d) | (B.c as X) | A.e", "B") == "(B.c as X)"


def test_composites_name_their_components() -> None:
    components = search_parameters("Observation")["code-value-quantity"].components
    assert [expression for _, expression in components] == ["code", "value.as(Quantity)"]


@pytest.mark.parametrize("resource", resource_types())
def test_every_search_expression_is_about_its_resource(resource: str) -> None:
    parameters = search_parameters(resource)
    assert {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"} <= parameters.keys()
    assert ("_text" in parameters) == (resource not in {"Binary", "Bundle", "Parameters"})
    without = {code for code, parameter in parameters.items() if not parameter.expression}
    assert without <= {"_text", "_content", "_query", "_filter"}


def test_the_patient_compartment_is_that_of_r4() -> None:
    compartment = patient_compartment()
    assert compartment["Observation"] == ("subject", "performer")
    assert "Organization" not in compartment
    assert len(compartment) == 66
    for resource, codes in compartment.items():
        assert set(codes) <= search_parameters(resource).keys()
