"""References followed forth and back: http://hl7.org/fhir/R4/search.html#chaining and http://hl7.org/fhir/R4/search.html#has"""

import pytest

from tests.builders import coded, encounter, known_patient, observation, organization, patient, practitioner, urn
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.shelf import Shelf, encoded


@pytest.fixture
async def ward(fhir: Fhir) -> Shelf:
    """Two patients of two organizations, what was observed of them, and a group."""
    shelf = Shelf(fhir)
    await shelf.put(parent=organization(name="集团", identifier=[{"system": "s", "value": "g"}]))
    await shelf.put(
        home=organization(name="滨河养老院", partOf={"reference": shelf.reference("parent")}),
        clinic=organization(name="社区诊所"),
        doctor=practitioner(name=[{"family": "李"}]),
    )
    await shelf.put(
        wang=known_patient(managingOrganization={"reference": shelf.reference("home")}),
        zhao=known_patient(
            name=[{"family": "赵"}],
            managingOrganization={"reference": shelf.reference("clinic")},
            generalPractitioner=[{"reference": shelf.reference("doctor")}],
        ),
    )
    wang, zhao = shelf.reference("wang"), shelf.reference("zhao")
    await shelf.put(stay=encounter(wang), visit=encounter(zhao, at="finished"))
    await shelf.put(
        pulse=observation(wang, encounter={"reference": shelf.reference("stay")}),
        weight=observation(
            wang, code=coded("http://loinc.org", "29463-7"), performer=[{"reference": shelf.reference("doctor")}]
        ),
        other=observation(
            zhao,
            encounter={"reference": shelf.reference("visit")},
            performer=[{"reference": shelf.reference("clinic")}],
        ),
        inside=observation(
            "#p",
            contained=[
                patient(id="p", name=[{"family": "王"}], managingOrganization={"reference": shelf.reference("clinic")})
            ],
        ),
        nobody=observation(),
    )
    await shelf.put(
        group={
            "resourceType": "Group",
            "type": "person",
            "actual": True,
            "code": coded("s", "walkers"),
            "member": [{"entity": {"reference": wang}}],
        }
    )
    return shelf


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("patient.name=王", {"pulse", "weight", "inside"}),
        ("subject.name=王", {"pulse", "weight", "inside"}),
        ("subject:Patient.name=王", {"pulse", "weight", "inside"}),
        ("subject:Patient.name:exact=秀英", {"pulse", "weight"}),
        ("patient.organization.name=滨河", {"pulse", "weight"}),
        ("patient.organization.name=社区", {"other", "inside"}),
        ("patient.organization.partof.name=集团", {"pulse", "weight"}),
        ("patient.organization.partof.identifier=s|g", {"pulse", "weight"}),
        ("subject:Patient.organization:Organization.name=社区,滨河", {"pulse", "weight", "other", "inside"}),
        ("patient.general-practitioner:Practitioner.family=李", {"other"}),
        ("performer.name=社区", {"other"}),
        ("performer:Practitioner.name=李", {"weight"}),
        ("performer:Organization.name=李", set()),
        ("encounter.class=AMB", {"pulse", "other"}),
        ("encounter.status=finished", {"other"}),
        ("encounter.status:not=finished", {"pulse"}),
        ("encounter.patient.name=赵", {"other"}),
        ("patient.birthdate=gt1800", {"pulse", "weight", "other"}),
        ("patient.birthdate:missing=true", {"inside"}),
        ("patient.name=王&performer.name=李", {"weight"}),
        ("patient.name=王&patient.name=赵", set()),
        ("patient._has:Group:member:code=walkers", {"pulse", "weight"}),
        ("patient._has:Encounter:patient:status=finished", {"other"}),
        ("patient.organization._has:Patient:organization:name=赵", {"other", "inside"}),
    ],
)
async def test_a_chain_finds_by_what_is_referred_to(ward: Shelf, query: str, found: set[str]) -> None:
    assert await ward.found("Observation", query) == found


@pytest.mark.parametrize(
    "query",
    ["encounter.status=in-progress", "performer.name=李", "encounter.patient.name=赵", "_has:Provenance:target:_id=x"],
)
async def test_a_chain_within_one_patient_finds_the_same(ward: Shelf, query: str) -> None:
    everywhere = await ward.found("Observation", query)
    of_wang = await ward.found("Observation", f"patient={ward.id('wang')}&{query}")
    assert of_wang == everywhere & {"pulse", "weight"}


@pytest.mark.parametrize(
    ("kind", "query", "found"),
    [
        ("Patient", "_has:Observation:patient:code=29463-7", {"wang"}),
        ("Patient", "_has:Observation:subject:code=8867-4", {"wang", "zhao"}),
        ("Patient", "_has:Observation:patient:code=29463-7,8867-4&_has:Encounter:patient:status=finished", {"zhao"}),
        ("Patient", "_has:Observation:patient:performer.name=社区", {"zhao"}),
        ("Patient", "_has:Observation:patient:performer:Practitioner.name=李", {"wang"}),
        ("Patient", "_has:Encounter:patient:_has:Observation:encounter:code=8867-4", {"wang", "zhao"}),
        ("Patient", "_has:Encounter:patient:_has:Observation:encounter:performer.name=社区", {"zhao"}),
        ("Patient", "_has:Group:member:code:not=walkers", set()),
        ("Organization", "_has:Patient:organization:_has:Observation:patient:code=29463-7", {"home"}),
        ("Organization", "_has:Organization:partof:name=滨河", {"parent"}),
        ("Practitioner", "_has:Observation:performer:code=29463-7", {"doctor"}),
        ("Practitioner", "_has:Observation:performer:code=8867-4", set()),
        ("Encounter", "_has:Observation:encounter:code=8867-4", {"stay", "visit"}),
        ("Patient", "_has:Observation:patient:date=ge2024&organization.name=社区", {"zhao"}),
    ],
)
async def test_has_finds_by_what_refers_here(ward: Shelf, kind: str, query: str, found: set[str]) -> None:
    assert await ward.found(kind, query) == found


@pytest.mark.parametrize("modifier", ["below", "above"])
async def test_an_organization_stands_above_its_parts(ward: Shelf, modifier: str) -> None:
    """http://hl7.org/fhir/R4/search.html#modifiers"""
    at = "parent" if modifier == "below" else "home"
    query = f"organization:{modifier}={ward.reference(at)}"
    assert await ward.found("Patient", query) == {"wang"}
    assert await ward.found("Patient", f"organization:{modifier}={ward.id('clinic')}") == {"zhao"}


async def test_a_deleted_resource_leads_nowhere(ward: Shelf) -> None:
    await ward.fhir.delete(f"/{ward.reference('clinic')}")
    assert await ward.found("Observation", "performer.name=社区") == set()


async def test_canonical_references_are_followed(fhir: Fhir) -> None:
    shelf, url = Shelf(fhir), f"http://example.org/q/{urn()}"
    response = {"resourceType": "QuestionnaireResponse", "status": "completed"}
    await shelf.put(
        old={"resourceType": "Questionnaire", "status": "retired", "url": url, "version": "1", "title": "旧表"},
        new={"resourceType": "Questionnaire", "status": "active", "url": url, "version": "2", "title": "新表"},
        first=response | {"questionnaire": f"{url}|1"},
        second=response | {"questionnaire": f"{url}|2"},
        any=response | {"questionnaire": url},
    )
    assert await shelf.found("QuestionnaireResponse", "questionnaire.title=旧表") == {"first", "any"}
    assert await shelf.found("QuestionnaireResponse", f"questionnaire.status=active&questionnaire={url}|2") == {
        "second"
    }
    assert await shelf.found("Questionnaire", "_has:QuestionnaireResponse:questionnaire:status=completed") == {
        "old",
        "new",
    }
    assert await shelf.found("QuestionnaireResponse", f"questionnaire:below={url}|2") == {"second"}
    bundle = await shelf.search("QuestionnaireResponse", "_include=QuestionnaireResponse:questionnaire")
    assert {*shelf.names(bundle, "include")} == {"old", "new"}
    bundle = await shelf.search("Questionnaire", "status=active&_revinclude=QuestionnaireResponse:questionnaire")
    assert {*shelf.names(bundle, "include")} == {"second", "any"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/Observation?code.name=x", "value"),
        ("/Observation?subject:Practitioner.name=x", "value"),
        ("/Observation?patient.birthdate=x", "value"),
        ("/Observation?patient.name:nonsense=x", "not-supported"),
        ("/Patient?_has:Observation:code:status=x", "value"),
        ("/Patient?_has:Observation:patient=x", "value"),
        ("/Patient?_has:Nothing:patient:code=x", "value"),
        ("/Practitioner?_has:Observation:patient:code=x", "value"),
        ("/Patient?" + "link:Patient." * 11 + "name=x", "too-costly"),
        ("/Provenance?target.subject.subject.name=x", "too-costly"),
    ],
)
async def test_what_leads_nowhere_or_too_far_is_refused(fhir: Fhir, path: str, code: str) -> None:
    assert_outcome(await fhir.get(path), 400, code)


async def test_a_chain_to_an_unknown_parameter_is_unknown(fhir: Fhir) -> None:
    assert_outcome(await fhir.get("/Observation?patient.nickname=x", prefer="handling=strict"), 400, "not-supported")
    lenient = await fhir.get(encoded("/Observation?patient.nickname=x&_count=0"))
    assert "nickname" not in lenient.json()["link"][0]["url"]
