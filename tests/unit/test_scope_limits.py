"""Parameters of scopes: which are taken, and what they leave of a resource: docs/adr/0049"""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.fhir.access.limits import Limits, check_criteria, limits_of
from services.fhir.scopes import ScopeError, parse_scope
from tests.builders import coded, observation

BASE = "https://fhir.example.org/fhir"
ZONE = ZoneInfo("Asia/Shanghai")
VITALS = coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")


def limits(*scopes: str) -> Limits:
    found = limits_of(scopes, BASE, ZONE)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "scope",
    [
        "Observation.rs?category=vital-signs",
        "Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs,laboratory",
        "Observation.rs?code:not=8867-4&status=final&_security:missing=true",
        "Observation.cruds?patient=Patient/1",
        "Observation.rs?date=ge2026-01-01",
        "Organization.rs?name:contains=医院",
        "Patient.rs?gender=female&birthdate=lt1960",
        "Patient.rs?address-city=乌海",
        "*.rs?_security=N",
        "*.rs?_tag:missing=false",
    ],
)
def test_what_holds_for_a_resource_alone_is_taken(scope: str) -> None:
    check_criteria(parse_scope(f"system/{scope}"))


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("Observation.rs?subject:Patient.gender=female", "no chain"),
        ("Patient.rs?_has:Observation:patient:code=8867-4", "no _has"),
        ("Observation.rs?_filter=code%20eq%201%20or%20code%20eq%202", "R4's own"),
        ("Observation.rs?_list=1", "R4's own"),
        ("Observation.rs?_content=x", "R4's own"),
        ("Observation.rs?_lastUpdated=ge2026", "no _lastUpdated"),
        ("Observation.rs?date=ap2026", "no ap"),
        ("Observation.rs?code:in=http://example.org/codes", "not a criterion"),
        ("Observation.rs?code:text=heart", "R4's own"),
        ("Observation.rs?value-quantity=gt5", "R4's own"),
        ("Observation.rs?code-value-quantity=8867-4$gt5", "R4's own"),
        ("Location.rs?partof:below=1", "R4's own"),
        ("Observation.rs?_count=5", "not a criterion"),
        ("Observation.rs?_sort=date", "not a criterion"),
        ("Observation.rs?_include=Observation:subject", "not a criterion"),
        ("Observation.rs?nothing=1", "nothing"),
        ("Observation.rs?subject=1", "say which type"),
        ("Nothing.rs?code=1", "no resource type Nothing"),
        ("*.rs?category=vital-signs", "category"),
        ("*.rs?code=1", "name the type"),
        ("Patient.rs?identifier=a|b", "may name a person"),
        ("Patient.rs?name=x", "may name a person"),
        ("Patient.rs?phone=1", "may name a person"),
        ("Patient.rs?_id=11010519491231002X", "national ID"),
    ],
)
def test_what_needs_others_to_be_told_is_refused(scope: str, words: str) -> None:
    with pytest.raises(ScopeError, match=words):
        check_criteria(parse_scope(f"system/{scope}"))


@pytest.mark.parametrize(
    ("criteria", "elements", "expected"),
    [
        ("category=vital-signs", {"category": [VITALS]}, True),
        ("category=vital-signs", {}, False),
        ("category:not=vital-signs", {}, True),
        ("category:missing=true", {}, True),
        ("category:missing=false", {"category": [VITALS]}, True),
        ("category=laboratory,vital-signs", {"category": [VITALS]}, True),
        ("category=vital-signs&status=final", {"category": [VITALS]}, True),
        ("category=vital-signs&status=amended", {"category": [VITALS]}, False),
        ("patient=Patient/1", {"subject": {"reference": "Patient/1"}}, True),
        ("patient=Patient/1", {"subject": {"reference": f"{BASE}/Patient/1"}}, True),
        ("patient=Patient/1", {"subject": {"reference": "Patient/2"}}, False),
        ("_id=an-id", {"id": "an-id"}, True),
        ("_id:not=an-id", {"id": "an-id"}, False),
        ("_tag=a", {"meta": {"tag": [{"code": "a"}]}}, True),
        ("date=2026-05", {"effectiveDateTime": "2026-05-31T23:00:00+08:00"}, True),
        ("date=2026-05", {"effectiveDateTime": "2026-05-31T23:00:00Z"}, False),
        ("date=ge2026-05-02", {"effectivePeriod": {"start": "2026-05-01"}}, True),
        ("date=lt2026-05-02", {}, False),
        ("date:missing=true", {}, True),
    ],
)
def test_a_version_is_held_to_them(criteria: str, elements: dict[str, Any], *, expected: bool) -> None:
    resource = {k: v for k, v in (observation() | elements).items() if k in elements or k != "effectiveDateTime"}
    assert limits(f"system/Observation.rs?{criteria}").admits("rs", resource) is expected


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [("name=乌海", True), ("name=人民", False), ("name:contains=人民", True), ("name:exact=乌海市人民医院", True), ("name:exact=乌海", False)],
)  # fmt: skip
def test_so_are_texts(criteria: str, *, expected: bool) -> None:
    hospital = {"resourceType": "Organization", "id": "1", "name": "乌海市人民医院"}
    assert limits(f"system/Organization.r?{criteria}").admits("r", hospital) is expected


def test_one_scope_of_several_is_enough_and_a_whole_one_lifts_the_limit() -> None:
    heart, weight = (coded("http://loinc.org", code) for code in ("8867-4", "29463-7"))
    either = limits("system/Observation.rs?code=8867-4", "system/Observation.r?code=29463-7")
    assert either.admits("r", observation(code=heart))
    assert either.admits("r", observation(code=weight))
    assert not either.admits("s", observation(code=weight))
    lifted = limits("system/Observation.rs?code=8867-4", "system/Observation.r")
    assert lifted.asked("Observation", "r") is None
    assert not lifted.admits("s", observation(code=weight))
    assert limits("system/*.rs", "system/Observation.rs?code=8867-4").asked("Observation", "s") is None


def test_of_no_other_letter_more_is_granted() -> None:
    only = limits("system/Observation.r?code=8867-4", "system/Task.rs")
    assert only.asked("Observation", "s") == only.asked("Observation", "r")
    assert only.asked("Task", "s") is None
    assert only.limited("rs") == ("Observation",)


def test_what_is_no_criterion_grants_nothing() -> None:
    assert limits("system/Observation.rs?_has:Provenance:target:_id=1").asked("Observation", "r") == ()
    assert limits_of(("system/*.cruds",), BASE, ZONE) is None
