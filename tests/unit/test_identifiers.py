"""Check characters, dates and facts of Chinese identifiers, and one system under many names: GB 11643-1999, GB 32100-2015, GB 11714-1997"""

from datetime import date
from importlib.resources import files
from typing import Any

import pytest

from services.fhir import definitions
from services.fhir.naming import canonical, canonical_system, is_known, names_of, naming_systems
from services.fhir.validation import parse, validate
from services.kit.identifiers import (
    canonical_id_number,
    facts_of,
    id_number_fault,
    organization_code_fault,
    uscc_fault,
)

TODAY = date(2026, 11, 24)
ID_CARD = "urn:oid:2.16.156.10011.1.3"
NAMING = files(definitions).joinpath("naming")


@pytest.mark.parametrize(
    ("number", "about"),
    [
        ("110105194912310021", "check character"),
        ("11010519490231002X", "is no date"),
        ("11010520270101002X", "in the future"),
        ("1101051949123100X", "17 digits"),
        ("１１010519491231002X", "17 digits"),
        ("01010519491231002X", "17 digits"),
        ("110105491331002", "is no date"),
        ("", "17 digits"),
    ],
)
def test_what_is_wrong_with_a_national_id_is_told_exactly_and_without_it(number: str, about: str) -> None:
    fault = id_number_fault(number, TODAY)
    assert fault is not None
    assert about in fault.diagnostics
    assert fault.text
    assert not number or number not in "".join(fault)


@pytest.mark.parametrize(
    "number", ["11010519491231002X", "11010519491231002x", "110105491231002", "999000194001010012"]
)
def test_a_right_one_of_either_length_is_no_fault_nor_is_an_unknown_division(number: str) -> None:
    assert id_number_fault(number, TODAY) is None


def test_fifteen_digits_become_eighteen_under_the_century_in_which_they_were_given() -> None:
    assert canonical_id_number("110105491231002") == "11010519491231002X"
    assert canonical_id_number(" 11010519491231002x ") == "11010519491231002X"
    assert canonical_id_number("P1234567") == "P1234567"


def test_a_number_tells_birth_date_and_sex() -> None:
    assert facts_of("11010519491231002X") == (date(1949, 12, 31), "female")
    assert facts_of("110105491231002") == (date(1949, 12, 31), "female")
    assert facts_of("110105194912310021") is None


@pytest.mark.parametrize(
    ("code", "about"),
    [("91350100M000100Y44", "check character"), ("91350100M000100I43", "18 characters"), ("91", "18")],
)
def test_what_is_wrong_with_a_credit_code_is_told_exactly(code: str, about: str) -> None:
    fault = uscc_fault(code)
    assert fault is not None
    assert about in fault.diagnostics
    assert uscc_fault("91350100M000100Y43") is None


def test_an_organisation_code_is_right_with_its_hyphen_and_without() -> None:
    assert organization_code_fault("D2143569-X") is None
    assert organization_code_fault("D2143569X") is None
    assert organization_code_fault("D2143569-1") is not None
    assert organization_code_fault("D214-X") is not None


@pytest.mark.parametrize("name", sorted(file.name for file in NAMING.iterdir() if file.name.endswith(".json")))
def test_each_naming_system_is_valid_and_prefers_one_name(name: str) -> None:
    resource = parse(NAMING.joinpath(name).read_bytes(), None)
    validate(resource)
    assert resource["id"] == f"yiyang-{name.removesuffix('.json')}"
    assert sum(each.get("preferred", False) for each in resource["uniqueId"]) == 1


def test_no_name_stands_for_two_systems() -> None:
    names = [each["value"] for resource in naming_systems() for each in resource["uniqueId"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "system",
    [
        "2.16.156.10011.1.3",
        "urn:oid:2.16.840.1.113883.2.23.1.19.1",
        "http://NamingSystem.hl7fhir.cn/identityDocument",
        "身份证号",
        "sfzh",
    ],
)
def test_every_alias_leads_to_the_canonical_system(system: str) -> None:
    assert canonical_system(system) == ID_CARD
    assert is_known(system)
    assert system in names_of([ID_CARD])
    assert canonical({"system": system, "value": "110105491231002"}) == (ID_CARD, "11010519491231002X")


def test_a_system_of_several_documents_is_an_alias_for_those_of_one_kind() -> None:
    shared = "http://NamingSystem.hl7fhir.cn/identityDocument"

    def of_kind(code: str, value: str) -> tuple[Any, Any]:
        return canonical({"system": shared, "value": value, "type": {"coding": [{"code": code}]}})

    assert of_kind("01", "11010519491231002X")[0] == ID_CARD
    assert of_kind("03", "E12345678") == (shared, "E12345678")
    assert canonical({"system": shared, "value": "E12345678"}) == (shared, "E12345678")


def test_a_system_that_nobody_knows_keeps_its_name() -> None:
    assert canonical({"system": "urn:clinic:mrn", "value": " a1 "}) == ("urn:clinic:mrn", " a1 ")
    assert not is_known("urn:clinic:mrn")
