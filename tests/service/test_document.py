"""Composition/$document: a Composition becomes a document with all that it refers to: http://hl7.org/fhir/R4/composition-operation-document.html"""

from typing import Any
from uuid import uuid4

import pytest

from tests.builders import composition, condition, encounter, known_patient, observation, organization, practitioner
from tests.house import BASE, Fhir, Json
from tests.matchers import assert_outcome


class Note:
    """A Composition of an elder's home, whose parts are there."""

    def __init__(self, home: Fhir) -> None:
        self.home = home
        self.elder = self.author = self.house = ""

    @classmethod
    async def begun(cls, fhir: Fhir) -> "Note":
        note = cls(Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"home-{uuid4().hex[:8]}"))
        note.house = await note.stored(organization(name="安康养老院"))
        note.author = await note.stored(practitioner())
        note.elder = await note.stored(known_patient(managingOrganization={"reference": note.house}))
        return note

    async def stored(self, resource: Json) -> str:
        made = await self.home.created(resource)
        return f"{made['resourceType']}/{made['id']}"

    async def written(self, *entries: str, **changes: Any) -> str:
        section = (
            {"title": "诊断", "entry": [{"reference": each} for each in entries]}
            if entries
            else {"title": "诊断", "text": TEXT}
        )
        return await self.stored(composition(self.elder, self.author, section=[section], **changes))

    async def document(self, name: str, reader: Fhir | None = None) -> Json:
        answer = await (reader or self.home).get(f"/{name}/$document")
        assert answer.status_code == 200, answer.text
        bundle: Json = answer.json()
        return bundle


TEXT: Json = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">无</div>'}


@pytest.fixture
async def note(fhir: Fhir) -> Note:
    return await Note.begun(fhir)


def names(bundle: Json) -> list[str]:
    return [each["fullUrl"].removeprefix(f"{BASE}/") for each in bundle["entry"]]


async def test_it_holds_all_that_the_composition_refers_to(note: Note) -> None:
    visit = await note.stored(encounter(note.elder))
    problem = await note.stored(condition(note.elder))
    name = await note.written(problem, encounter={"reference": visit}, custodian={"reference": note.house})
    bundle = await note.document(name)
    assert bundle["type"] == "document"
    assert names(bundle)[0] == name
    assert {*names(bundle)} == {name, note.elder, note.author, visit, problem, note.house}
    assert len(names(bundle)) == len({*names(bundle)})
    outcome = await note.home.post("/Bundle/$validate", bundle)
    assert [i for i in outcome.json()["issue"] if i["severity"] == "error"] == []


async def test_what_that_refers_to_is_in_it_too(note: Note) -> None:
    nurse = await note.stored(practitioner())
    measured = await note.stored(observation(note.elder, performer=[{"reference": nurse}]))
    whole = await note.stored(observation(note.elder, hasMember=[{"reference": measured}]))
    assert {measured, nurse, note.house} <= {*names(await note.document(await note.written(whole)))}


async def test_sections_inside_of_sections_count(note: Note) -> None:
    problem = await note.stored(condition(note.elder))
    inner = {"title": "内", "entry": [{"reference": problem}]}
    name = await note.stored(composition(note.elder, note.author, section=[{"title": "外", "section": [inner]}]))
    assert problem in names(await note.document(name))
    await note.home.delete(f"/{problem}")
    answer = await note.home.get(f"/{name}/$document")
    assert_outcome(answer, 422, "not-found", "Composition.section[0].section[0].entry[0]")


async def test_what_is_missing_is_told_and_nothing_is_made(note: Note) -> None:
    name = await note.written("Condition/nobody", "https://elsewhere.example/fhir/Condition/1")
    answer = await note.home.get(f"/{name}/$document")
    places = [each["expression"][0] for each in answer.json()["issue"]]
    assert answer.status_code == 422
    assert places == ["Composition.section[0].entry[0]", "Composition.section[0].entry[1]"]


async def test_what_is_out_of_reach_is_as_good_as_missing(note: Note) -> None:
    restricted = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]}
    problem = await note.stored(condition(note.elder, meta=restricted))
    name = await note.written(problem)
    reader = note.home.as_(organization="document-reader", client="document-reader")
    assert_outcome(await reader.get(f"/{name}/$document"), 404, "not-found")
    visit = encounter(note.elder, serviceProvider={"reference": "Organization/document-reader"})
    await note.stored(visit)
    answer = await reader.get(f"/{name}/$document")
    assert_outcome(answer, 422, "not-found", "Composition.section[0].entry[0]")
    assert problem not in answer.text
    assert (await note.document(name))["meta"]["security"][0]["code"] == "V"


async def test_scopes_have_to_reach_what_it_holds(note: Note) -> None:
    name = await note.written(await note.stored(condition(note.elder)))
    narrow = note.home.as_(scopes=("system/Composition.rs", "system/Patient.rs", "system/Practitioner.rs"))
    answer = await narrow.get(f"/{name}/$document")
    assert_outcome(answer, 422, "not-found", "Composition.section[0].entry[0]")


async def test_another_patient_is_never_drawn_in(note: Note) -> None:
    other = await note.stored(known_patient())
    theirs = await note.stored(observation(other))
    related = await note.stored(observation(note.elder, derivedFrom=[{"reference": theirs}]))
    found = names(await note.document(await note.written(related)))
    assert related in found
    assert not {other, theirs} & {*found}


async def test_a_version_that_is_named_is_the_one_that_is_in_it(note: Note) -> None:
    problem = await note.stored(condition(note.elder, code={"text": "肺炎？"}))
    name = await note.written(f"{problem}/_history/1")
    changed = condition(note.elder, code={"text": "肺炎"}, id=problem.partition("/")[2])
    assert (await note.home.put(f"/{problem}", changed)).status_code == 200
    assert "肺炎？" in str(await note.document(name))
    latest = await note.written(problem)
    assert "肺炎？" not in str(await note.document(latest))


async def test_it_is_kept_when_that_is_asked_for(note: Note) -> None:
    name = await note.written(await note.stored(condition(note.elder)))
    persist = {"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": True}]}
    answer = await note.home.post(f"/{name}/$document", persist, idempotency_key="keep-it")
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    kept = await note.home.get(f"/Bundle/{bundle['id']}")
    assert kept.json() == bundle
    assert answer.headers["location"].endswith(f"/Bundle/{bundle['id']}/_history/1")
    again = await note.home.post(f"/{name}/$document", persist, idempotency_key="keep-it")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == bundle
    page = await note.home.get(f"/Bundle/{bundle['id']}/$page", accept="text/html")
    assert "诊断" in page.text
    assert_outcome(await note.home.get(f"/{name}/$document?persist=true"), 405, "not-supported")
    reading = note.home.as_(scopes=("system/*.rs",))
    assert_outcome(await reading.post(f"/{name}/$document", persist), 403, "forbidden")


async def test_on_the_type_the_composition_is_named(note: Note) -> None:
    name = await note.written(await note.stored(condition(note.elder)))
    for given in (name, name.partition("/")[2]):
        asked = {"resourceType": "Parameters", "parameter": [{"name": "id", "valueUri": given}]}
        answer = await note.home.post("/Composition/$document", asked)
        assert names(answer.json())[0] == name
    assert_outcome(await note.home.get("/Composition/$document"), 400, "value")
    assert_outcome(await note.home.get("/Composition/nobody/$document"), 404, "not-found")
    assert_outcome(await note.home.get(f"/{name}/$document?graph=urn:g"), 400, "not-supported")
