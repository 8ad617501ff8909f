"""What the tests build is right by itself: identifiers by their standards, resources by R4's cardinalities."""

from datetime import date
from typing import Any

import pytest

from services.fhir.definitions import type_definition
from services.kit.identifiers import (
    id_number,
    is_id_number,
    is_unassigned_division,
    is_uscc,
    organization_code,
    referral_number,
    uscc,
)
from tests import builders

SMALLEST = [
    builders.patient(),
    builders.known_patient(),
    builders.organization(),
    builders.practitioner(),
    builders.observation("Patient/1"),
    builders.condition("Patient/1"),
    builders.encounter("Patient/1"),
    builders.service_request("Patient/1"),
    builders.task("ServiceRequest/1"),
    builders.care_plan("Patient/1"),
    builders.episode_of_care("Patient/1"),
    builders.appointment("Patient/1"),
    builders.composition("Patient/1", "Practitioner/1"),
    builders.document(builders.composition("Patient/1", "Practitioner/1")),
    builders.transaction(builders.create(builders.patient())),
]


def test_the_published_identity_number_has_its_published_check_character() -> None:
    assert id_number("110105", date(1949, 12, 31), 2) == "11010519491231002X"


@pytest.mark.parametrize(
    "wrong",
    ["110105194912310021", "11010519491231002x", "11010519490230002X", "1101051949123100X", "１１010519491231002X", ""],
)
def test_a_wrong_identity_number_is_told(wrong: str) -> None:
    assert is_id_number("11010519491231002X")
    assert not is_id_number(wrong)


def test_the_published_credit_code_has_its_published_check_character() -> None:
    assert organization_code("D2143569") == "D2143569X"
    assert is_uscc("91350100M000100Y43")
    assert not is_uscc("91350100M000100Y44")
    assert not is_uscc("91350100M000100I43")
    assert uscc("91", "350100", "M000100Y") == "91350100M000100Y43"


@pytest.mark.parametrize("division", ["999000", "999999", "100000", "000000", "160000"])
def test_nobody_has_a_number_of_an_unassigned_division(division: str) -> None:
    assert is_unassigned_division(division)


@pytest.mark.parametrize("division", ["150302", "110105", "830000", "911000", "915000"])
def test_divisions_of_people_are_not_taken_for_unassigned(division: str) -> None:
    assert not is_unassigned_division(division)


def test_known_patients_are_valid_and_differ() -> None:
    numbers = [builders.known_patient()["identifier"][0]["value"] for _ in range(2000)]
    assert len(set(numbers)) == len(numbers)
    assert all(map(is_id_number, numbers))
    assert is_unassigned_division(builders.UNASSIGNED)
    assert is_uscc(builders.institution_code(7))


def test_a_referral_number_names_institution_day_and_sequence() -> None:
    assert referral_number("WH01", date(2024, 5, 1), 7) == "WH0120240501000007"


@pytest.mark.parametrize("resource", SMALLEST, ids=lambda resource: resource["resourceType"])
def test_the_smallest_resource_has_what_r4_demands(resource: dict[str, Any]) -> None:
    elements = type_definition(resource["resourceType"]).elements
    assert set(resource) - {"resourceType"} <= set(elements) | {"effectiveDateTime", "valueQuantity"}
    assert [name for name, element in elements.items() if element.min and name not in resource] == []


def test_a_keyword_changes_an_element_and_none_removes_it() -> None:
    assert builders.observation(status="amended", valueQuantity=None)["status"] == "amended"
    assert "valueQuantity" not in builders.observation(valueQuantity=None)


def test_a_referral_is_built_at_a_state() -> None:
    assert builders.task(at="arrived")["status"] == "in-progress"
    assert builders.service_request("Patient/1", at="closed")["status"] == "completed"
