"""How people are told apart: http://hl7.org/fhir/R4/patient-operation-match.html"""

from typing import Any

import pytest

from benchmarks.matching import measure
from services.records.matching import compare, features_of, searches_for
from services.records.matching.score import is_slip, weights

Json = dict[str, Any]

KNOWN: Json = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": "999000194102033226"}],
    "name": [{"text": "张秀英", "family": "张", "given": ["秀英"]}],
    "gender": "female",
    "birthDate": "1941-02-03",
    "telecom": [{"system": "phone", "value": "+86 100-1234-5678"}],
    "address": [{"text": "内蒙古自治区乌海市滨河街道人民路12号"}],
}


def seen(feature: str, **changes: Any) -> str:
    return compare(features_of({**KNOWN, **changes}), features_of(KNOWN)).evidence[feature]


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ({"text": "張秀英"}, "same"), ({"text": "张 秀英"}, "same"), ({"family": "张", "given": ["秀", "英"]}, "same"), ({"text": "秀英张"}, "turned"),
        ({"family": "秀英", "given": ["张"]}, "turned"), ({"text": "章绣瑛"}, "homophone"), ({"text": "Zhang Xiuying"}, "homophone"),
        ({"text": "张秀"}, "similar"), ({"text": "张秀兰"}, "similar"), ({"text": "张国强"}, "surname"), ({"text": "李国强"}, "other"),
    ],
)  # fmt: skip
def test_a_name_counts_as_it_is_written_said_or_turned(name: Json, evidence: str) -> None:
    assert seen("name", name=[name]) == evidence


@pytest.mark.parametrize(
    ("birth", "evidence"),
    [
        ("1941-02-03", "same"), ("1941-03-02", "turned"), ("1942-02-03", "digit"), ("1914-02-03", "digit"), ("1941-01-05", "calendar"),
        ("1941-11-20", "year"), ("1929-11-20", "other"), ("1941", "none"), ("1930", "other"),
    ],
)  # fmt: skip
def test_a_birth_date_counts_by_what_may_have_gone_wrong(birth: str, evidence: str) -> None:
    assert seen("birth", birthDate=birth) == evidence


def test_numbers_phones_and_places_count_in_whatever_spelling() -> None:
    assert seen("identifier", identifier=[{"system": "sfzh", "value": "999000194102033226"}]) == "same"
    assert seen("phone", telecom=[{"system": "phone", "value": "10012345678"}]) == "same"
    assert seen("phone", telecom=[{"system": "phone", "value": "10012345679"}]) == "similar"
    assert seen("address", address=[{"text": "滨河街道人民路12号"}]) == "similar"
    assert seen("address", address=[{"text": "林荫街道胜利路3号"}]) == "other"


def test_certain_is_nobody_whose_name_or_birth_date_contradicts() -> None:
    other_name = compare(features_of({**KNOWN, "name": [{"text": "李国强"}]}), features_of(KNOWN))
    assert other_name.bits > weights().grades["certain"]
    assert other_name.grade == "probable"
    assert compare(features_of(KNOWN), features_of(KNOWN)).grade == "certain"
    stranger = {**KNOWN, "identifier": [], "name": [{"text": "李国强"}], "telecom": [], "birthDate": "1929-11-20"}
    assert compare(features_of(stranger), features_of(KNOWN)).grade == "certainly-not"


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [("abc", "abd", True), ("abc", "acb", True), ("abc", "ab", True), ("abc", "abcd", True), ("abc", "abc", False), ("abc", "axx", False), ("abc", "cba", False)],
)  # fmt: skip
def test_a_slip_is_one_character(one: str, other: str, is_one: bool) -> None:  # noqa: FBT001 - what a row expects
    assert is_slip(one, other) is is_one
    assert is_slip(other, one) is is_one


def test_every_search_is_narrow_and_its_values_are_escaped() -> None:
    odd = {**KNOWN, "identifier": [{"system": "urn:x", "value": "a,b|c$d"}]}
    searches = searches_for(features_of(odd))
    assert searches[0] == (("identifier", r"urn:x|a\,b\|c\$d"),)
    assert all(dict(search).keys() & {"identifier", "phone", "name"} for search in searches)
    assert searches_for(features_of({"resourceType": "Patient", "gender": "female"})) == ()


def test_two_thousand_elders_are_told_apart() -> None:
    """The whole measure, on 20,000, is in docs/matching.md."""
    result, _, _ = measure(2_000)
    assert result.precision >= 0.99
    assert result.recall >= 0.95
    assert result.strangers >= 490
