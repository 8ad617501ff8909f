"""Reference parameters: http://hl7.org/fhir/R4/search.html#reference"""

from typing import Any

import pytest

from tests.builders import observation, patient, task
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Json, Shelf

ELSEWHERE = "https://elsewhere.example.org/fhir"


def about(reference: str, **changes: Any) -> Json:
    return observation(reference, **changes)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("subject=Patient/p-1", {"relative", "absolute", "versioned"}),
        (f"subject={BASE}/Patient/p-1", {"relative", "absolute", "versioned"}),
        ("subject:Patient=p-1", {"relative", "absolute", "versioned"}),
        ("patient=p-1", {"relative", "absolute", "versioned"}),
        ("patient=Patient/p-1", {"relative", "absolute", "versioned"}),
        (f"patient={BASE}/Patient/p-1", {"relative", "absolute", "versioned"}),
        (f"subject={ELSEWHERE}/Patient/p-1", {"elsewhere"}),
        ("subject=urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", {"urn"}),
        ("subject=Group/p-1", {"group"}),
        ("subject:Group=p-1", {"group"}),
        ("patient=Group/p-1", set()),
        ("subject=Patient/p-2", set()),
        ("subject=Patient/P-1", set()),
        ("subject=Patient/p-1,Group/p-1", {"relative", "absolute", "versioned", "group"}),
        ("subject:missing=true", {"none"}),
        (
            "subject:missing=false",
            {"relative", "absolute", "versioned", "elsewhere", "urn", "group", "contained", "logical"},
        ),
    ],
)
async def test_relative_absolute_and_typed_references_are_one(shelf: Shelf, query: str, found: Any) -> None:
    """http://hl7.org/fhir/R4/search.html#reference: `Type/id` is `[base]/Type/id`; another server's URL stays apart."""
    await shelf.put(
        relative=about("Patient/p-1"),
        absolute=about(f"{BASE}/Patient/p-1"),
        versioned=about("Patient/p-1/_history/3"),
        elsewhere=about(f"{ELSEWHERE}/Patient/p-1"),
        urn=about("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
        group=about("Group/p-1"),
        contained=about("#p-1", contained=[minimal("Patient", id="p-1")]),
        logical=observation() | {"subject": {"identifier": {"value": "p-1"}}},
        none=observation(),
    )
    assert await shelf.found("Observation", query) == found


async def test_a_bare_id_means_the_one_resource_that_has_it(shelf: Shelf, fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/search.html#reference: `[parameter]=[id]`, of this server."""
    person = await fhir.created(patient())
    await shelf.put(one=about(f"Patient/{person['id']}"), lost=about("Patient/never-stored"))
    assert await shelf.found("Observation", f"subject={person['id']}") == {"one"}
    assert await shelf.found("Observation", "subject=never-stored") == {"lost"}
    assert await shelf.found("Observation", "subject=never-heard-of") == set()


async def test_a_bare_id_of_several_resources_is_refused(shelf: Shelf, fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/search.html#reference: an id that several types have fails; `Type/id` says which."""
    for name in ("Patient", "Group"):
        await fhir.put(f"/{name}/ambiguous", minimal(name, id="ambiguous"))
    await shelf.put(person=about("Patient/ambiguous"), group=about("Group/ambiguous"))
    for query in ("subject=ambiguous", "subject=ambiguous,Patient/other", "subject=ambiguous&_summary=count"):
        assert_outcome(await fhir.get(shelf.path("Observation", query)), 400, "multiple-matches")
    assert await shelf.found("Observation", "subject:Patient=ambiguous") == {"person"}
    assert await shelf.found("Observation", "subject=Group/ambiguous") == {"group"}
    assert await shelf.found("Observation", "patient=ambiguous") == {"person"}
    await fhir.delete("/Group/ambiguous")
    assert "person" in await shelf.found("Observation", "subject=ambiguous")


async def test_a_canonical_is_found_with_and_without_its_version(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#reference and http://hl7.org/fhir/R4/references.html#canonical"""
    url = "http://example.org/Questionnaire/barthel"
    answers = {"versioned": f"{url}|1.0", "newer": f"{url}|2.0", "plain": url, "other": f"{url}-2"}
    await shelf.put(**{n: minimal("QuestionnaireResponse", questionnaire=q) for n, q in answers.items()})
    assert await shelf.found("QuestionnaireResponse", f"questionnaire={url}") == {"versioned", "newer", "plain"}
    assert await shelf.found("QuestionnaireResponse", f"questionnaire={url}|1.0") == {"versioned"}
    assert await shelf.found("QuestionnaireResponse", f"questionnaire={url}|3.0") == set()


async def test_references_in_repeats_match_by_any_and_combine(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#combining"""
    both = [{"reference": "Practitioner/a"}, {"reference": "Organization/b"}]
    await shelf.put(both=observation(performer=both), one=observation(performer=both[:1]))
    assert await shelf.found("Observation", "performer=Practitioner/a") == {"both", "one"}
    assert await shelf.found("Observation", "performer=Practitioner/a&performer=Organization/b") == {"both"}
    assert await shelf.found("Observation", "performer=Organization/b,Practitioner/z") == {"both"}


async def test_a_search_within_one_patient_holds_all_other_conditions_too(shelf: Shelf, fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/search.html#combining: also where the statement walks the patient's own index."""
    one, other = [(await fhir.created(patient()))["id"] for _ in range(2)]
    pressure = {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}
    await shelf.put(
        pulse=about(f"Patient/{one}"),
        pressure=about(f"Patient/{one}", code=pressure, effectiveDateTime="2024-06-01", valueQuantity=None),
        other=about(f"Patient/{other}"),
    )
    assert await shelf.found("Observation", f"patient={one}") == {"pulse", "pressure"}
    assert await shelf.found("Observation", f"patient={one}&code=8867-4") == {"pulse"}
    assert await shelf.found("Observation", f"patient={one}&code:not=8867-4") == {"pressure"}
    assert await shelf.found("Observation", f"patient={one}&date=ge2024-06") == {"pressure"}
    assert await shelf.found("Observation", f"patient={one}&value-quantity:missing=true") == {"pressure"}
    assert await shelf.found("Observation", f"patient={one}&subject=Patient/{other}") == set()
    assert await shelf.found("Observation", f"patient={one},{other}&code=8867-4") == {"pulse", "other"}


@pytest.mark.parametrize(
    "value",
    [
        "Patient/",
        "Patient/a/b",
        "NoSuchType/1",
        "patient/1",
        "Patient/a b",
        "/Patient/1",
        "Patient/" + "x" * 65,
        "Patient/1/_history",
        "a_b",
    ],
)
async def test_what_is_no_reference_is_refused(fhir: Fhir, value: str) -> None:
    """http://hl7.org/fhir/R4/search.html#errors"""
    answer = await fhir.get(f"/Observation?subject={value.replace(' ', '%20')}")
    assert_outcome(answer, 400, "value")


async def test_a_type_that_the_reference_never_has_is_refused(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/search.html#modifiers: `:[type]` must be a target of the parameter."""
    assert_outcome(await fhir.get("/Observation?subject:Practitioner=1"), 400, "value")
    assert_outcome(await fhir.get("/Observation?subject:NoSuchType=1"), 400, "not-supported")


async def test_a_reference_to_any_type_is_found_by_its_type(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/task.html#search: `focus` is a Reference(Any)."""
    await shelf.put(order=task("ServiceRequest/1"), plan=task("CarePlan/1"))
    assert await shelf.found("Task", "focus=ServiceRequest/1") == {"order"}
    assert await shelf.found("Task", "focus:CarePlan=1") == {"plan"}
    assert await shelf.found("Task", "focus=1") == {"order", "plan"}
    assert await shelf.found("Task", "focus=Parameters/1") == set()
