"""Token parameters: http://hl7.org/fhir/R4/search.html#token"""

from typing import Any, Final

import pytest

from tests.builders import coded, observation, patient
from tests.matchers import assert_outcome
from tests.shelf import Shelf

A: Final = "http://example.org/a"
B: Final = "http://example.org/b"


@pytest.fixture
async def coded_shelf(shelf: Shelf) -> Shelf:
    two = {"coding": [{"system": A, "code": "one"}, {"system": B, "code": "two"}]}
    await shelf.put(
        a_one=observation(category=[coded(A, "one")]),
        b_one=observation(category=[coded(B, "one")]),
        bare_one=observation(category=[{"coding": [{"code": "one"}]}]),
        both=observation(category=[two]),
        upper=observation(category=[coded(A, "ONE")]),
        system_only=observation(category=[{"coding": [{"system": A, "display": "?"}]}]),
        text_only=observation(category=[{"text": "one"}]),
        signs=observation(category=[coded(A, "x|y,z\\$")]),
        none=observation(),
    )
    return shelf


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("category=one", {"a_one", "b_one", "bare_one", "both"}),
        (f"category={A}|one", {"a_one", "both"}),
        (f"category={B}|one", {"b_one"}),
        ("category=|one", {"bare_one"}),
        (f"category={A}|", {"a_one", "both", "upper", "system_only", "signs"}),
        (f"category={B}|", {"b_one", "both"}),
        ("category=two", {"both"}),
        (f"category={A}|two", set()),
        ("category=ONE", {"upper"}),
        ("category=on", set()),
        ("category=one,two,ONE", {"a_one", "b_one", "bare_one", "both", "upper"}),
        (f"category={A}|one&category={B}|two", {"both"}),
        (f"category={A}|one,{B}|one", {"a_one", "b_one", "both"}),
        (f"category={A}|x\\|y\\,z\\\\\\$", {"signs"}),
        ("category=x|y", set()),
        ("category=x\\|y\\,z\\\\\\$", {"signs"}),
    ],
)
async def test_code_system_and_code_no_system_and_any_code(coded_shelf: Shelf, query: str, found: Any) -> None:
    """http://hl7.org/fhir/R4/search.html#token: `c`, `s|c`, `|c` and `s|`; a code is matched exactly."""
    assert await coded_shelf.found("Observation", query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("category:not=one", {"upper", "system_only", "text_only", "signs", "none"}),
        (f"category:not={A}|one", {"b_one", "bare_one", "upper", "system_only", "text_only", "signs", "none"}),
        ("category:not=two", {"a_one", "b_one", "bare_one", "upper", "system_only", "text_only", "signs", "none"}),
        ("category:not=one,ONE", {"system_only", "text_only", "signs", "none"}),
        ("category:not=one&category:missing=false", {"upper", "system_only", "text_only", "signs"}),
        ("category:missing=true", {"none"}),
        (
            "category:missing=false",
            {"a_one", "b_one", "bare_one", "both", "upper", "system_only", "text_only", "signs"},
        ),
    ],
)
async def test_not_includes_what_has_no_value_and_excludes_any_match(
    coded_shelf: Shelf, query: str, found: Any
) -> None:
    """http://hl7.org/fhir/R4/search.html#modifiers: `:not` and `:missing`."""
    assert await coded_shelf.found("Observation", query) == found


async def test_the_codes_of_code_elements_have_a_system_that_is_implied(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#token: the system of a `code` element is implied; naming it changes nothing."""
    await shelf.put(she=patient(gender="female"), he=patient(gender="male"), who=patient())
    assert await shelf.found("Patient", "gender=female") == {"she"}
    assert await shelf.found("Patient", "gender=http://hl7.org/fhir/administrative-gender|female") == {"she"}
    assert await shelf.found("Patient", "gender=|female") == {"she"}
    assert await shelf.found("Patient", f"gender={A}|female") == set()
    assert await shelf.found("Patient", "gender:not=female") == {"he", "who"}


async def test_booleans_and_whether_a_patient_died(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/patient.html#search: `deceased` is true also where only the time is known."""
    await shelf.put(
        on=patient(active=True, deceasedBoolean=True),
        off=patient(active=False, deceasedBoolean=False),
        dated=patient(deceasedDateTime="2024-05"),
        none=patient(),
    )
    assert await shelf.found("Patient", "active=true") == {"on"}
    assert await shelf.found("Patient", "active=false") == {"off"}
    assert await shelf.found("Patient", "active:not=true") == {"off", "dated", "none"}
    assert await shelf.found("Patient", "deceased=true") == {"on", "dated"}
    assert await shelf.found("Patient", "deceased=false") == {"off", "none"}


async def test_identifiers_and_contact_points(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#token: Identifier.value and ContactPoint.value stand for the code."""
    await shelf.put(
        a=patient(identifier=[{"system": A, "value": "7"}], telecom=[{"system": "phone", "value": "+86 473 123"}]),
        b=patient(
            identifier=[{"value": "7"}, {"system": B, "value": "8"}], telecom=[{"system": "email", "value": "a@b.cn"}]
        ),
    )
    assert await shelf.found("Patient", "identifier=7") == {"a", "b"}
    assert await shelf.found("Patient", f"identifier={A}|7") == {"a"}
    assert await shelf.found("Patient", "identifier=|7") == {"b"}
    assert await shelf.found("Patient", f"identifier={B}|") == {"b"}
    assert await shelf.found("Patient", f"identifier={A}|8") == set()
    assert await shelf.found("Patient", "telecom=%2B86 473 123") == {"a"}
    assert await shelf.found("Patient", "phone=a@b.cn") == set()
    assert await shelf.found("Patient", "email=a@b.cn") == {"b"}


async def test_ids_tags_profiles_security_and_source_of_any_resource(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#all"""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    meta = {"profile": ["http://example.org/p"], "security": [label], "source": "http://example.org/s"}
    await shelf.put(marked=patient(meta=meta), plain=patient())
    assert await shelf.found("Patient", f"_id={shelf.id('marked')}") == {"marked"}
    assert await shelf.found("Patient", f"_id={shelf.id('marked')},{shelf.id('plain')},nobody") == {"marked", "plain"}
    assert await shelf.found("Patient", f"_id={shelf.id('marked')}&_id={shelf.id('plain')}") == set()
    assert await shelf.found("Patient", "_profile=http://example.org/p") == {"marked"}
    assert await shelf.found("Patient", "_security=R") == {"marked"}
    assert await shelf.found("Patient", "_source=http://example.org/s") == {"marked"}
    assert await shelf.found("Patient", "_tag:not=x") == {"marked", "plain"}


async def test_a_code_too_long_for_an_index_still_tells_itself_from_others(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#code: no length is given."""
    start = "码" * 1000
    await shelf.put(a=observation(code=coded(A, start + "a")), b=observation(code=coded(A, start + "b")))
    assert await shelf.found("Observation", f"code={A}|{start}a") == {"a"}
    assert await shelf.found("Observation", f"code={start}b") == {"b"}


@pytest.mark.parametrize("value", ["a|b|c", "|", "a|b|", "||"])
async def test_a_token_with_too_many_parts_or_none_is_refused(shelf: Shelf, value: str) -> None:
    """http://hl7.org/fhir/R4/search.html#errors"""
    assert_outcome(await shelf.fhir.get(f"/Observation?code={value}"), 400, "value")


@pytest.mark.parametrize("modifier", ["exact", "contains", "Patient", "", "nonsense", "missing:not"])
async def test_a_modifier_that_a_token_does_not_have_is_refused_even_when_lenient(shelf: Shelf, modifier: str) -> None:
    """http://hl7.org/fhir/R4/search.html#modifiers: servers SHALL reject a modifier that they do not support."""
    answer = await shelf.fhir.get(f"/Observation?code:{modifier}=x", prefer="handling=lenient")
    assert_outcome(answer, 400, "not-supported")
    assert_outcome(await shelf.fhir.get("/Observation?code:missing=perhaps"), 400, "value")
