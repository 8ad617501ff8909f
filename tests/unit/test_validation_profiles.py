"""Resources against the platform's own profiles: http://hl7.org/fhir/R4/profiling.html"""

import itertools
import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.care.plans.applying import For, applied
from services.care.plans.findings import Chosen
from services.care.plans.load import load_plans
from services.fhir.outcomes import FhirError, Issue
from services.fhir.validation import parse, validate
from services.fhir.validation.profiles import known_profile, profile_check
from services.fhir.validation.profiles.bindings import codes_of
from services.fhir.validation.profiles.patterns import matches
from services.fhir.validation.profiles.shipped import shipped_profiles
from services.fhir.validation.profiles.tree import tree
from tests import builders
from tests.care_records import care_examples
from tests.unit.test_validation import BREAKS, at, paths
from yiyang.story import elder, institutions, month, packages, referral, terms, visit
from yiyang.story.elements import Calendar

Json = dict[str, Any]

encode = msgspec.json.Encoder(decimal_format="number").encode
CANONICAL = "https://yiyang.example/fhir"
ID_CARD = "urn:oid:2.16.156.10011.1.3"
NOW = datetime(2024, 5, 1, 4, tzinfo=UTC)
PLACES = {"patient": "Patient/p", "condition": "Condition/c", "encounter": "Encounter/e"}


def profile(name: str) -> str:
    return f"{CANONICAL}/StructureDefinition/{name}"


def claiming(resource: Json, claimed: str, /, **changes: Any) -> Json:
    made = {**deepcopy(resource), "meta": {"profile": [profile(claimed)]}, **changes}
    return {name: value for name, value in made.items() if value is not None}


def issues(resource: Json) -> list[Issue]:
    try:
        validate(parse(json.dumps(resource).encode(), None))
    except FhirError as error:
        return list(error.issues)
    return []


def found(resource: Json) -> list[tuple[str, str]]:
    return [(issue.code, issue.expression[0]) for issue in issues(resource)]


@pytest.mark.parametrize("url", shipped_profiles())
def test_every_profile_is_valid_and_understood(url: str) -> None:
    definition = shipped_profiles()[url]
    validate(definition)
    assert url == profile(definition["id"])
    assert known_profile(url)
    assert files("services.fhir.definitions").joinpath("profiles", f"{definition['id']}.json").is_file()


TASK = builders.task(
    "ServiceRequest/s",
    meta=terms.meta("yiyang-referral-task", "clinic"),
    code=builders.coded(f"{CANONICAL}/CodeSystem/task-code", "referral"),
    businessStatus=builders.coded(f"{CANONICAL}/CodeSystem/referral-business-status", "submitted"),
    authoredOn="2024-05-01T10:00:00+08:00",
    lastModified="2024-05-01T10:00:00+08:00",
    requester={"reference": "Organization/clinic"},
    owner={"reference": "Organization/hospital"},
    **{"for": {"reference": "Patient/p"}},  # type: ignore[arg-type]
)


def asked() -> referral.Referral:
    return referral.Referral(
        direction=terms.UP,
        placer=institutions.CLINIC,
        fulfiller=institutions.HOSPITAL,
        service="心内科住院诊治",
        reason="不能确诊",
        number=referral.numbered(institutions.CLINIC, NOW),
        chain="1",
        authored="2024-05-01T10:00:00+08:00",
        **PLACES,
    )


def planned() -> Iterator[Json]:
    """A plan of the whole library, and what it names."""
    plans = [Chosen(plan, ()) for plan in load_plans().values()]
    who = For("Patient/p", f"Organization/{institutions.HOME.id}", NOW.date(), request="ServiceRequest/s")
    made = applied(plans, who, (f"part-{n}" for n in itertools.count()))
    yield from json.loads(encode(made.resources))


def told() -> Iterator[Json]:
    """What the story sends, or the server makes for it."""
    calendar, when = Calendar(NOW), "2024-05-01T10:00:00+08:00"
    yield from map(institutions.directory_of, institutions.INSTITUTIONS)
    yield month.month(elder.made_up_elder(), calendar)
    yield visit.visit("Patient/p", calendar)
    yield builders.transaction(*map(builders.create, planned()))
    known = [elder.patient(elder.made_up_elder()) | {"id": "p"}]
    package, package_back = (
        make("https://a.example/fhir", "Patient/p", "Condition/c", known, when)
        for make in (packages.upward, packages.backward)
    )
    yield package_back
    index = packages.index_of(("57133-1", "转诊单"), "Patient/p", "Bundle/b", institutions.CLINIC, when)
    agreed = referral.consent("Patient/p", institutions.HOSPITAL, institutions.CLINIC, when, "2025-05-01")
    sent = [part["resource"] for part in referral.submission(asked(), package, agreed)]
    yield builders.transaction(*map(builders.create, (*sent, index, TASK)))


def test_what_the_story_and_the_examples_send_keeps_the_profiles_that_it_claims() -> None:
    claimed = {url for each in care_examples() for url in each["meta"]["profile"]}
    assert [found(each) for each in care_examples()] == [[]] * 5
    for bundle in told():
        assert found(bundle) == []
        for each in [bundle, *(entry["resource"] for entry in bundle["entry"])]:
            claimed |= {url for url in each.get("meta", {}).get("profile", ()) if known_profile(url)}
    ours = {url for url, each in shipped_profiles().items() if each["kind"] == "resource"}
    assert claimed == ours


RESOURCES = [entry["resource"] for bundle in told() for entry in bundle["entry"]]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RESOURCES), st.sampled_from(sorted(BREAKS)), st.data())
def test_any_element_of_what_the_story_sends_is_found_when_it_is_broken(
    whole: Json, how: str, data: st.DataObject
) -> None:
    resource = deepcopy(whole)
    path = data.draw(st.sampled_from([path for path in paths(resource)[1:] if path != ("resourceType",)]))
    parent = at(resource, path[:-1])
    parent[path[-1]] = BREAKS[how](parent[path[-1]])
    assert issues(resource), (how, path)


ELDER = builders.known_patient()
REQUEST = referral.service_request(asked())
SLIP = packages.back_note("Patient/p", "Condition/c", [], "2024-05-01T10:00:00+08:00")
OBSERVATION = builders.observation(
    "Patient/p",
    category=[builders.coded(f"{terms.HL7}/observation-category", "vital-signs")],
    performer=[{"display": "x"}],
)
PLAN = builders.care_plan(
    "Patient/p",
    category=[builders.coded(f"{CANONICAL}/CodeSystem/care-plan-category", "nursing")],
    period={"start": "2024-05-01"},
    author={"display": "x"},
    activity=[{"reference": {"display": "x"}}],
)
INSTITUTION = builders.organization(
    identifier=[{"system": f"{CANONICAL}/sid/uscc", "value": builders.institution_code()}], type=[{"text": "养老机构"}]
)
GENDER = {"url": profile("gender-gb2261"), "valueCoding": {"system": "urn:oid:2.16.156.10011.2.3.3.4", "code": "2"}}


@pytest.mark.parametrize(
    ("resource", "name", "changes", "expected"),
    [
        (ELDER, "yiyang-patient", {}, []),
        (ELDER, "yiyang-patient", {"identifier": None}, [("required", "Patient.identifier")]),
        (ELDER, "yiyang-patient", {"identifier": [{"system": ID_CARD}]}, [("required", "Patient.identifier[0].value")]),
        (ELDER, "yiyang-patient", {"identifier": [{"system": ID_CARD, "value": "15030219480101002x"}]}, [("invariant", "Patient.identifier[0].value")]),
        (ELDER, "yiyang-patient", {"identifier": ELDER["identifier"] * 2}, [("invariant", "Patient.identifier")]),
        (ELDER, "yiyang-patient", {"identifier": [{"system": f"{CANONICAL}/sid/temporary", "value": "1"}]}, []),
        (ELDER, "yiyang-patient", {"identifier": [*ELDER["identifier"], {"system": "urn:oid:2.16.156.10011.1.12", "value": "1"}]}, [("required", "Patient.identifier[1].assigner")]),
        (ELDER, "yiyang-patient", {"name": [{"family": "王"}]}, [("required", "Patient.name[0].text")]),
        (ELDER, "yiyang-patient", {"gender": None}, [("required", "Patient.gender")]),
        (ELDER, "yiyang-patient", {"gender": None, "_gender": {"extension": [GENDER]}}, []),
        (ELDER, "yiyang-patient", {"_gender": {"extension": [GENDER | {"valueCoding": {"code": "2"}}]}}, [("code-invalid", "Patient.gender.extension[0].value")]),
        (ELDER, "yiyang-patient", {"_gender": {"extension": [{"url": GENDER["url"], "valueString": "女"}]}}, [("value", "Patient.gender.extension[0].value")]),
        (ELDER, "yiyang-patient", {"_gender": {"extension": [GENDER, GENDER]}}, [("invariant", "Patient.gender.extension")]),
        (ELDER, "yiyang-patient", {"_gender": {"extension": [{"url": "http://a.example", "valueString": "女"}]}}, []),
        (INSTITUTION, "yiyang-organization", {}, []),
        (INSTITUTION, "yiyang-organization", {"identifier": None}, [("invariant", "Organization")]),
        (INSTITUTION, "yiyang-organization", {"identifier": None, "partOf": {"reference": "Organization/1"}}, []),
        (INSTITUTION, "yiyang-organization", {"identifier": [{"system": f"{CANONICAL}/sid/uscc", "value": "52150302DEMIOSVZ01"}]}, [("invariant", "Organization.identifier[0].value")]),
        (REQUEST, "yiyang-referral-request", {}, []),
        (REQUEST, "yiyang-referral-request", {"category": [{"text": "转诊"}]}, [("required", "ServiceRequest.category")]),
        (REQUEST, "yiyang-referral-request", {"category": [builders.coded(f"{CANONICAL}/CodeSystem/referral-direction", "sideways")]}, [("code-invalid", "ServiceRequest.category[0]")]),
        (REQUEST, "yiyang-referral-request", {"subject": {"reference": "Group/1"}}, [("value", "ServiceRequest.subject")]),
        (REQUEST, "yiyang-referral-request", {"subject": {"identifier": {"value": "1"}}}, []),
        (REQUEST, "yiyang-referral-request", {"reasonCode": None, "reasonReference": None}, [("invariant", "ServiceRequest")]),
        (TASK, "yiyang-referral-task", {}, []),
        (TASK, "yiyang-referral-task", {"businessStatus": builders.coded(f"{CANONICAL}/CodeSystem/referral-business-status", "lost")}, [("code-invalid", "Task.businessStatus")]),
        (TASK, "yiyang-referral-task", {"code": {"text": "转诊"}}, [("value", "Task.code")]),
        (TASK, "yiyang-referral-task", {"status": "rejected"}, [("invariant", "Task")]),
        (TASK, "yiyang-referral-task", {"focus": {"reference": "Task/1"}}, [("value", "Task.focus")]),
        (SLIP, "yiyang-referral-composition", {}, []),
        (SLIP, "yiyang-referral-composition", {"section": [s for s in SLIP["section"] if s["title"] != "过敏史"]}, [("required", "Composition.section")]),
        (SLIP, "yiyang-referral-composition", {"type": builders.coded("http://loinc.org", "57133-1")}, [("invariant", "Composition")]),
        (SLIP, "yiyang-referral-composition", {"type": {"text": "转诊单"}}, [("invariant", "Composition")]),
        (OBSERVATION, "yiyang-observation", {}, []),
        (OBSERVATION, "yiyang-observation", {"effectiveDateTime": None, "effectiveTiming": {"event": ["2024"]}}, [("value", "Observation.effective")]),
        (OBSERVATION, "yiyang-observation", {"effectiveDateTime": None}, [("required", "Observation.effective")]),
        (OBSERVATION, "yiyang-observation", {"valueQuantity": None}, [("invariant", "Observation")]),
        (PLAN, "yiyang-care-plan", {}, []),
        (PLAN, "yiyang-care-plan", {"category": [*PLAN["category"], {"text": "其他"}]}, []),
        (PLAN, "yiyang-care-plan", {"period": {"end": "2024-05-01"}}, [("required", "CarePlan.period.start")]),
        (PLAN, "yiyang-patient", {}, [("invalid", "CarePlan")]),
    ],
)  # fmt: skip
def test_a_claim_is_held_to(resource: Json, name: str, changes: Json, expected: list[tuple[str, str]]) -> None:
    assert found(claiming(resource, name, **changes)) == expected


def test_what_nobody_claims_is_not_asked() -> None:
    assert found(builders.patient()) == []


@pytest.mark.parametrize(
    "url", ["http://a.example/StructureDefinition/unknown", profile("yiyang-patient") + "|7", profile("unknown")]
)
def test_a_profile_that_is_not_known_is_kept_and_not_looked_into(url: str) -> None:
    assert found({"resourceType": "Patient", "meta": {"profile": [url]}}) == []
    assert profile_check(url) is None


def test_the_version_may_be_named_and_a_resource_type_is_a_profile_too() -> None:
    assert found({"resourceType": "Patient", "meta": {"profile": [profile("yiyang-patient") + "|1"]}}) != []
    of_patients = profile_check("http://hl7.org/fhir/StructureDefinition/Patient")
    assert of_patients
    assert of_patients({"resourceType": "Patient"}) == ()
    assert of_patients({"resourceType": "Group"}) != ()


def test_a_claim_inside_a_bundle_is_held_to_as_well() -> None:
    inside = claiming(ELDER, "yiyang-patient", gender=None)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inside}]}
    assert found(bundle) == [("required", "Bundle.entry[0].resource.gender")]


def test_both_languages_name_the_profile_and_no_value() -> None:
    wrong = claiming(ELDER, "yiyang-patient", identifier=[{"system": ID_CARD, "value": "15030219480101002x"}])
    (issue,) = issues(wrong)
    assert issue.diagnostics.endswith("yiyang-patient: yy-id-1: A national ID has 18 characters, the last a digit or X")
    assert issue.text == "Patient.identifier[0].value：身份证号为 18 位，最后一位为数字或大写 X（老年人规范）"


@pytest.mark.parametrize(
    ("value", "pattern", "is_met"),
    [
        ({"coding": [{"system": "a", "code": "b"}, {"code": "c"}]}, {"coding": [{"system": "a"}]}, True),
        ({"coding": [{"system": "b"}]}, {"coding": [{"system": "a"}]}, False),
        ({"text": "a"}, {"coding": [{}]}, False),
        (1, True, False),
        ("a", "a", True),
    ],
)
def test_a_pattern_is_met_by_what_has_at_least_its_parts(value: Any, pattern: Any, is_met: bool) -> None:  # noqa: FBT001
    assert matches(value, pattern) is is_met


def test_a_binding_may_name_a_value_set_of_r4_or_one_of_the_platform() -> None:
    assert (
        "final" in codes_of("http://hl7.org/fhir/ValueSet/observation-status")["http://hl7.org/fhir/observation-status"]
    )
    assert codes_of(f"{CANONICAL}/ValueSet/gbt-2261-1") == {"urn:oid:2.16.156.10011.2.3.3.4": frozenset("012569")}
    with pytest.raises(KeyError):
        codes_of("http://a.example/ValueSet/unknown")


@pytest.mark.parametrize("element", [{"maxLength": 3}, {"slicing": {"rules": "closed"}}])
def test_a_profile_is_applied_whole_or_not_at_all(element: Json) -> None:
    with pytest.raises(ValueError, match="not understood"):
        tree({"type": "Patient", "differential": {"element": [{"id": "Patient.name", **element}]}})
