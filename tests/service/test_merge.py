"""Two records of one person become one by links, and two again: docs/adr/0034"""

from typing import Any
from uuid import uuid4

import pytest

from services.fhir.naming import TEMPORARY
from tests.builders import known_patient, observation, patient
from tests.house import Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"merge-{uuid4().hex[:8]}")


def asked(source: Json, target: Json, **more: Any) -> Json:
    named = {"source-patient": source, "target-patient": target}
    parts: list[Json] = [{"name": n, "valueReference": {"reference": f"Patient/{p['id']}"}} for n, p in named.items()]
    parts += [{"name": n.replace("_", "-"), "valueBoolean": v} for n, v in more.items()]
    return {"resourceType": "Parameters", "parameter": parts}


async def without_papers(home: Fhir) -> Json:
    return await home.created(patient(identifier=[{"system": TEMPORARY}], name=[{"text": "无名氏"}], active=True))


async def read(home: Fhir, stored: Json) -> Json:
    found: Json = (await home.get(f"/Patient/{stored['id']}")).json()
    return found


async def test_an_elder_without_papers_is_merged_into_the_record_with_papers(home: Fhir) -> None:
    source, target = await without_papers(home), await home.created(known_patient())
    answer = await home.post("/Patient/$merge", asked(source, target))
    assert answer.status_code == 200, answer.text
    outcome, result = (p["resource"] for p in answer.json()["parameter"])
    assert outcome["resourceType"] == "OperationOutcome"
    after, kept = await read(home, source), await read(home, target)
    assert result["id"] == target["id"]
    assert after["active"] is False
    assert [(each["other"]["reference"], each["type"]) for each in after["link"]] == [
        (f"Patient/{target['id']}", "replaced-by")
    ]
    assert [(each["other"]["reference"], each["type"]) for each in kept["link"]] == [
        (f"Patient/{source['id']}", "replaces")
    ]
    assert source["identifier"][0]["value"] in [each["value"] for each in kept["identifier"]]


async def test_what_was_written_of_the_source_stays_there_and_is_part_of_everything(home: Fhir) -> None:
    source, target = await without_papers(home), await home.created(known_patient())
    pulse = await home.created(observation(f"Patient/{source['id']}"))
    await home.post("/Patient/$merge", asked(source, target))
    assert (await home.get(f"/Observation/{pulse['id']}")).json()["subject"]["reference"] == f"Patient/{source['id']}"
    everything = (await home.get(f"/Patient/{target['id']}/$everything")).json()
    assert {source["id"], target["id"], pulse["id"]} <= {e["resource"]["id"] for e in everything["entry"]}
    literal = (await home.get(f"/Observation?patient=Patient/{target['id']}")).json()
    assert literal.get("entry", []) == []
    through = (await home.get(f"/Observation?patient.link=Patient/{target['id']}")).json()
    assert [e["resource"]["id"] for e in through["entry"]] == [pulse["id"]]


async def test_a_number_moves_with_the_person_and_comes_back(home: Fhir) -> None:
    source, target = (
        await home.created(known_patient(active=True)),
        await home.created(patient(name=[{"text": "王秀英"}])),
    )
    number = source["identifier"][0]
    await home.post("/Patient/$merge", asked(source, target))
    again = await home.post("/Patient", patient(identifier=[number]))
    assert (again.status_code, again.json()["id"]) == (200, target["id"])
    undone = await home.post("/Patient/$unmerge", asked(source, target))
    assert undone.status_code == 200, undone.text
    after, kept = await read(home, source), await read(home, target)
    drop = ("meta",)
    assert {k: v for k, v in after.items() if k not in drop} == {k: v for k, v in source.items() if k not in drop}
    assert {k: v for k, v in kept.items() if k not in drop} == {k: v for k, v in target.items() if k not in drop}
    again = await home.post("/Patient", patient(identifier=[number]))
    assert again.json()["id"] == source["id"]


async def test_a_preview_writes_nothing(home: Fhir) -> None:
    source, target = await without_papers(home), await home.created(known_patient())
    answer = await home.post("/Patient/$merge", asked(source, target, preview=True))
    assert "link" in answer.json()["parameter"][1]["resource"]
    assert await read(home, target) == target
    assert await read(home, source) == source


async def test_the_records_are_named_by_identifiers_too(home: Fhir) -> None:
    source, target = await without_papers(home), await home.created(known_patient())
    by_identifier: Json = {"resourceType": "Parameters", "parameter": [
        {"name": "source-patient-identifier", "valueIdentifier": source["identifier"][0]},
        {"name": "target-patient-identifier", "valueIdentifier": {"system": "sfzh", "value": target["identifier"][0]["value"]}},
    ]}  # fmt: skip
    assert (await home.post("/Patient/$merge", by_identifier)).status_code == 200
    assert (await read(home, source))["active"] is False
    by_identifier["parameter"][0]["valueIdentifier"] = {"system": TEMPORARY, "value": "T0"}
    assert_outcome(await home.post("/Patient/$merge", by_identifier), 422, "not-found")


async def test_who_merged_is_remembered(home: Fhir) -> None:
    source, target = await without_papers(home), await home.created(known_patient())
    await home.post("/Patient/$merge", asked(source, target))
    found = (await home.get(f"/Provenance?target=Patient/{target['id']}")).json()
    (entry,) = found["entry"]
    assert entry["resource"]["activity"]["coding"][0]["code"] == "merge"


async def test_what_must_not_be_merged_is_refused(home: Fhir) -> None:
    one, other, third = [await home.created(known_patient()) for _ in range(3)]
    assert_outcome(await home.post("/Patient/$merge", asked(one, other)), 409, "conflict", "Patient.identifier")
    assert_outcome(await home.post("/Patient/$merge", asked(one, one)), 400, "value")
    loose = await without_papers(home)
    await home.post("/Patient/$merge", asked(loose, one))
    assert_outcome(await home.post("/Patient/$merge", asked(loose, third)), 422, "business-rule", "Patient.link")
    assert_outcome(await home.post("/Patient/$unmerge", asked(loose, third)), 422, "business-rule", "Patient.link")


async def test_a_record_out_of_reach_is_not_there(home: Fhir) -> None:
    mine, theirs = await without_papers(home), await without_papers(home.as_(organization=f"merge-{uuid4().hex[:8]}"))
    assert_outcome(await home.post("/Patient/$merge", asked(mine, theirs)), 404, "not-found")
    assert_outcome(await home.post("/Patient/$merge", asked(theirs, mine)), 404, "not-found")


async def test_a_link_opens_nothing(home: Fhir) -> None:
    """Who reaches the target alone does not see what was written of the source."""
    clinic = home.as_(organization=f"merge-{uuid4().hex[:8]}")
    elder = await home.created(known_patient())
    source = await without_papers(home)
    pulse = await home.created(observation(f"Patient/{source['id']}"))
    await home.post("/Patient/$merge", asked(source, elder))
    assert_outcome(await clinic.get(f"/Observation/{pulse['id']}"), 404, "not-found")
