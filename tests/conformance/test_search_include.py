"""Resources that come along: http://hl7.org/fhir/R4/search.html#include"""

import pytest

from tests.builders import encounter, observation, organization, patient, practitioner
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Json, Shelf, pages


@pytest.fixture
async def ward(shelf: Shelf) -> Shelf:
    await shelf.put(home=organization(), doctor=practitioner(), nurse=practitioner())
    await shelf.put(elder=patient(managingOrganization={"reference": shelf.reference("home")}), other=patient())
    elder = shelf.reference("elder")
    performers = [{"reference": shelf.reference("doctor")}, {"reference": shelf.reference("home")}]
    await shelf.put(
        pulse=observation(elder, performer=performers),
        weight=observation(elder, performer=[{"reference": f"{BASE}/{shelf.reference('nurse')}"}]),
        lost=observation("Group/never-stored", performer=[{"reference": "Practitioner/never-stored"}]),
        loose=observation(None),
    )
    return shelf


def included(shelf: Shelf, bundle: Json) -> list[str]:
    return sorted(shelf.names(bundle, "include"))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("_include=Observation:subject", ["elder"]),
        ("_include=Observation:patient", ["elder"]),
        ("_include=Observation:performer", ["doctor", "home", "nurse"]),
        ("_include=Observation:performer:Practitioner", ["doctor", "nurse"]),
        ("_include=Observation:performer:Organization", ["home"]),
        ("_include=Observation:subject&_include=Observation:performer", ["doctor", "elder", "home", "nurse"]),
        ("_include=Observation:subject&_include=Observation:patient", ["elder"]),
        ("_include=Observation:encounter", []),
    ],
)
async def test_include_brings_what_the_matches_refer_to_once(ward: Shelf, query: str, names: list[str]) -> None:
    """http://hl7.org/fhir/R4/search.html#include: `mode=include`, each once; what does not exist is left out."""
    bundle = await ward.search("Observation", query)
    assert included(ward, bundle) == names
    assert {*ward.names(bundle)} == {"pulse", "weight", "lost", "loose"}
    assert len(bundle["entry"]) == 4 + len(names)


async def test_revinclude_brings_what_refers_to_the_matches(ward: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#revinclude"""
    await ward.put(stay=encounter(ward.reference("elder")))
    query = "_revinclude=Observation:subject&_revinclude=Encounter:patient&_revinclude=Observation:patient"
    bundle = await ward.search("Patient", query)
    assert {*ward.names(bundle)} == {"elder", "other"}
    assert included(ward, bundle) == ["pulse", "stay", "weight"]
    assert included(ward, await ward.search("Patient", f"_id={ward.id('other')}&{query}")) == []
    both = await ward.search("Patient", "_revinclude=Observation:subject&_include=Patient:organization")
    assert included(ward, both) == ["home", "pulse", "weight"]


async def test_a_match_is_not_included_again(ward: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#include: each resource once in a page."""
    await ward.put(part=organization(partOf={"reference": ward.reference("home")}))
    bundle = await ward.search("Organization", "_include=Organization:partof")
    assert {*ward.names(bundle)} == {"home", "part"}
    assert included(ward, bundle) == []
    only = await ward.search("Organization", f"_id={ward.id('part')}&_include=Organization:partof")
    assert (ward.names(only), included(ward, only)) == (["part"], ["home"])


async def test_included_resources_are_complete_on_each_page_and_never_counted(ward: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#count: `_count` is about the matches."""
    read = await pages(
        ward.fhir, ward.path("Observation", "_count=1&_include=Observation:subject&_total=accurate&_sort=-subject")
    )
    assert [page["total"] for page in read] == [4, 4, 4, 4]
    assert [len(ward.names(page)) for page in read] == [1, 1, 1, 1]
    by_match = {ward.names(page)[0]: included(ward, page) for page in read}
    assert by_match == {"pulse": ["elder"], "weight": ["elder"], "lost": [], "loose": []}


async def test_a_deleted_resource_is_not_included(ward: Shelf, fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#delete"""
    await fhir.delete(f"/{ward.reference('elder')}")
    await fhir.delete(f"/{ward.reference('weight')}")
    assert included(ward, await ward.search("Observation", "_include=Observation:subject")) == []
    assert included(ward, await ward.search("Patient", "_revinclude=Observation:subject")) == []


async def test_a_reference_to_any_type_is_included_whatever_it_is(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/list.html: `List.entry.item` is a Reference(Any), also to what is never stored."""
    await shelf.put(person=patient(), pulse=observation())
    names = (shelf.reference("person"), shelf.reference("pulse"), "Parameters/p", "Group/never-stored")
    entries = [{"item": {"reference": name}} for name in names]
    await shelf.put(found=minimal("List", entry=entries))
    assert included(shelf, await shelf.search("List", "_include=List:item")) == ["person", "pulse"]
    assert included(shelf, await shelf.search("Patient", "_revinclude=List:item")) == ["found"]
    await shelf.put(group=minimal("RequestGroup", instantiatesCanonical=["Parameters/p", shelf.reference("person")]))
    answer = await shelf.search("RequestGroup", "_include=RequestGroup:instantiates-canonical")
    assert included(shelf, answer) == ["person"]


async def test_a_limit_that_is_hit_is_told(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#include: never silently incomplete [ours]."""
    await shelf.put(elder=patient())
    elder = shelf.reference("elder")
    await shelf.put(**{f"o{n}": observation(elder) for n in range(1005)})
    bundle = await shelf.search("Patient", "_revinclude=Observation:subject")
    assert len(included(shelf, bundle)) == 1000
    (outcome,) = [e["resource"] for e in bundle["entry"] if e["search"]["mode"] == "outcome"]
    assert outcome["issue"][0]["code"] == "incomplete"


@pytest.mark.parametrize(
    "query",
    [
        "_include=Observation",
        "_include=Observation:",
        "_include=Observation:nonsense",
        "_include=Observation:code",
        "_include=Patient:organization",
        "_include=Observation:subject:Practitioner",
        "_include=Observation:subject:Patient:x",
        "_include=NoSuchType:subject",
        "_revinclude=Observation:performer:Patient:",
        "_revinclude=Organization:partof",
        "_revinclude=x",
    ],
)
async def test_what_is_no_reference_of_the_type_is_refused(fhir: Fhir, query: str) -> None:
    """http://hl7.org/fhir/R4/search.html#errors"""
    assert_outcome(await fhir.get(f"/Observation?{query}"), 400, "value")
