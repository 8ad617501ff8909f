"""Patient/$disclosures tells the patient who saw what, when and why: docs/adr/0016"""

import base64
import secrets

from tests.builders import observation, patient
from tests.house import BASE, Fhir
from tests.shelf import Json, link


async def told(fhir: Fhir, of: Json, query: str = "") -> Json:
    answer = await fhir.get(f"/Patient/{of['id']}/$disclosures{query}")
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


def subtypes(bundle: Json) -> list[str]:
    return [entry["resource"]["subtype"][0]["code"] for entry in bundle.get("entry", ())]


async def test_a_patient_learns_who_saw_what(fhir: Fhir) -> None:
    made = await fhir.created(patient())
    person = fhir.as_(practitioner=f"Patient/{made['id']}", organization="portal", purpose="PATRQT")
    seen = await fhir.created(observation(subject=f"Patient/{made['id']}"))
    await fhir.get(f"/Observation/{seen['id']}")
    await fhir.get(f"/Observation?patient={made['id']}")
    bundle = await told(person, made)
    assert sorted(subtypes(bundle)) == ["create", "create", "read", "search-type"]  # some within one millisecond
    read = bundle["entry"][1]["resource"]
    assert {"reference": "Organization/hospital"} in [agent["who"] for agent in read["agent"]]
    assert read["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert f"Observation/{seen['id']}" in [e.get("what", {}).get("reference") for e in read["entity"]]
    assert subtypes(await told(person, made))[0] == "operation", "the look itself is one"


async def test_what_an_answer_told_of_others_is_not_told(fhir: Fhir) -> None:
    one, other = await fhir.created(patient()), await fhir.created(patient())
    code = secrets.token_hex(6)
    for each in (one, other):
        await fhir.created(
            observation(code={"coding": [{"system": "urn:test", "code": code}]}, subject=f"Patient/{each['id']}")
        )
    await fhir.get(f"/Observation?code={code}")
    bundle = await told(fhir.as_(practitioner=f"Patient/{one['id']}"), one)
    assert subtypes(bundle)[0] == "search-type"
    assert other["id"] not in str(bundle)
    queries = [entity["query"] for entity in bundle["entry"][0]["resource"]["entity"] if "query" in entity]
    assert [base64.b64decode(query) for query in queries] == [b"Observation?"]


async def test_it_comes_page_by_page(fhir: Fhir) -> None:
    made = await fhir.created(patient())
    person = fhir.as_(practitioner=f"Patient/{made['id']}")
    for _ in range(6):
        await fhir.get(f"/Patient/{made['id']}")
    ids: list[str] = []
    bundle = await told(person, made, "?_count=3&end=2999")
    for _ in range(4):
        ids += [entry["resource"]["id"] for entry in bundle["entry"]]
        if (url := link(bundle, "next")) is None:
            break
        bundle = (await person.get(url.removeprefix(BASE))).json()
    assert len(ids) == len(set(ids)) == 7
    assert subtypes(await told(person, made, "?end=2001")) == []


async def test_others_do_not_learn_it(fhir: Fhir) -> None:
    made = await fhir.created(patient())
    assert (await fhir.get(f"/Patient/{made['id']}/$disclosures")).status_code == 403
    another = fhir.as_(practitioner="Patient/another", purpose="PATRQT")
    assert (await another.get(f"/Patient/{made['id']}/$disclosures")).status_code == 404
    stranger = fhir.as_(organization="stranger", purpose="PATRQT")
    assert (await stranger.get(f"/Patient/{made['id']}/$disclosures")).status_code == 404
    assert (await fhir.as_(purpose="PATRQT").get(f"/Patient/{made['id']}/$disclosures")).status_code == 200
