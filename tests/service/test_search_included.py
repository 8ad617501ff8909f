"""What an answer brings along: http://hl7.org/fhir/R4/search.html#revinclude"""

import pytest

from services.fhir.store import includes
from tests.builders import encounter, known_patient, observation, organization, patient, practitioner
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.shelf import Shelf, encoded, link


@pytest.fixture
async def ward(fhir: Fhir) -> Shelf:
    shelf = Shelf(fhir)
    await shelf.put(top=organization(name="集团"))
    await shelf.put(mid=organization(name="分院", partOf={"reference": shelf.reference("top")}))
    await shelf.put(
        home=organization(name="养老院", partOf={"reference": shelf.reference("mid")}), doctor=practitioner()
    )
    await shelf.put(wang=known_patient(managingOrganization={"reference": shelf.reference("home")}))
    wang = shelf.reference("wang")
    await shelf.put(stay=encounter(wang))
    about = {
        "encounter": {"reference": shelf.reference("stay")},
        "performer": [{"reference": shelf.reference("doctor")}],
    }
    await shelf.put(pulse=observation(wang, **about), weight=observation(wang))
    await shelf.put(derived=observation(wang, derivedFrom=[{"reference": shelf.reference("pulse")}]))
    return shelf


async def _included(ward: Shelf, kind: str, query: str) -> list[str]:
    """The shelf's own; that the platform remembers who looked (AuditEvent) is told elsewhere."""
    bundle = await ward.search(kind, query)
    bundle["entry"] = [e for e in bundle.get("entry", ()) if e["resource"]["resourceType"] != "AuditEvent"]
    return sorted(ward.names(bundle, "include"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("_include=Observation:patient", ["wang"]),
        ("_include=Observation:subject:Patient", ["wang"]),
        ("_include=Observation:subject:Group", []),
        ("_include=Observation:performer&_include=Observation:patient", ["doctor", "wang"]),
        ("_include=Observation:*", ["doctor", "stay", "wang"]),
        ("_include=*", ["doctor", "stay", "wang"]),
        ("_include=Observation:*:Practitioner", ["doctor"]),
        ("_include=Observation:patient&_include:iterate=Patient:organization", ["home", "wang"]),
        ("_include:iterate=Observation:patient&_include:iterate=Patient:organization", ["home", "wang"]),
        (
            "_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
            ["home", "mid", "top", "wang"],
        ),
        ("_include=Observation:patient&_include:iterate=*", ["doctor", "home", "mid", "stay", "top", "wang"]),
        ("_include:iterate=Patient:organization", []),
        ("_revinclude=Observation:derived-from", []),
    ],
)
async def test_includes_of_an_observation(ward: Shelf, query: str, found: list[str]) -> None:
    assert await _included(ward, "Observation", query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("_revinclude=Observation:patient", ["derived", "pulse", "weight"]),
        ("_revinclude=Encounter:patient", ["stay"]),
        ("_revinclude=Encounter:patient&_revinclude:iterate=Observation:encounter", ["pulse", "stay"]),
        (
            "_revinclude=Encounter:patient&_revinclude:iterate=Observation:encounter&_revinclude:iterate=Observation:derived-from",
            ["derived", "pulse", "stay"],
        ),
        ("_revinclude=Observation:*", ["derived", "pulse", "weight"]),
        ("_revinclude=*", ["derived", "pulse", "stay", "weight"]),
        (
            "_revinclude=Observation:patient&_include:iterate=Observation:performer",
            ["derived", "doctor", "pulse", "weight"],
        ),
        ("_include=Patient:organization&_revinclude=Encounter:patient", ["home", "stay"]),
    ],
)
async def test_reverse_includes_of_a_patient(ward: Shelf, query: str, found: list[str]) -> None:
    assert await _included(ward, "Patient", query) == found


async def test_a_match_is_never_an_include_and_includes_are_not_counted(ward: Shelf) -> None:
    bundle = await ward.search("Observation", "_include=Observation:derived-from&_total=accurate")
    assert {*ward.names(bundle)} == {"pulse", "weight", "derived"}
    assert ward.names(bundle, "include") == []
    assert bundle["total"] == 3


async def test_a_circle_ends(ward: Shelf) -> None:
    await ward.put(ring=patient())
    ring = ward.stored["ring"] | {"link": [{"other": {"reference": ward.reference("ring")}, "type": "seealso"}]}
    await ward.fhir.put(f"/{ward.reference('ring')}", ring)
    assert await _included(ward, "Patient", "_include:iterate=Patient:link&_revinclude:iterate=Patient:link") == []


async def test_a_limit_that_is_hit_is_told(ward: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(includes, "MAX_INCLUDED", 1)
    bundle = await ward.search("Patient", "_revinclude=Observation:patient")
    told = [e["resource"]["issue"][0]["code"] for e in bundle["entry"] if e["search"]["mode"] == "outcome"]
    assert told == ["incomplete"]
    assert len(ward.names(bundle, "include")) == 1


async def test_only_what_the_scopes_let_read_is_included(ward: Shelf) -> None:
    narrow = ward.fhir.as_(scopes=("system/Observation.rs", "system/Encounter.r"))
    answer = await narrow.get(ward.path("Observation", "_include=*"))
    assert {*ward.names(answer.json(), "include")} == {"stay"}
    assert_outcome(await narrow.get(encoded("/Observation?patient.name=王")), 403, "forbidden")
    assert_outcome(await narrow.get("/Observation?_has:Provenance:target:_id=x"), 403, "forbidden")


@pytest.mark.parametrize(
    "query",
    [
        "_include=Patient:organization",
        "_include=Observation:code",
        "_include=Observation",
        "_include=Observation:subject:Practitioner",
        "_include=Nothing:subject",
        "_revinclude=Encounter:patient",
        "_include=a:b:c:d",
    ],
)
async def test_an_include_that_cannot_be_is_refused(fhir: Fhir, query: str) -> None:
    assert_outcome(await fhir.get(f"/Observation?{query}"), 400, "value")


async def test_the_self_link_names_the_includes(ward: Shelf) -> None:
    bundle = await ward.search("Observation", "_include=Observation:patient&_include:iterate=Patient:organization")
    assert "_include=Observation:patient&_include%3Aiterate=Patient:organization" in (
        link(bundle, "self") or ""
    ).replace("_include:iterate", "_include%3Aiterate")
