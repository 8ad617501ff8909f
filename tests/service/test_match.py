"""Patient/$match on the real database: http://hl7.org/fhir/R4/patient-operation-match.html"""

from typing import Any
from uuid import uuid4

import pytest

from benchmarks.slips import mistaken, registered
from tests.builders import known_patient, patient
from tests.house import Fhir
from tests.matchers import assert_outcome
from yiyang.population.people import person

Json = dict[str, Any]


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"match-{uuid4().hex[:8]}")


async def match(fhir: Fhir, stated: Json, **inputs: Any) -> list[tuple[str, str, float]]:
    """(id, grade, score) of each, the best first."""
    named = [{"name": n, ("valueBoolean" if isinstance(v, bool) else "valueInteger"): v} for n, v in inputs.items()]
    asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": stated}, *named]}
    answer = await fhir.post("/Patient/$match", asked)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["type"], body["total"]) == ("searchset", len(body.get("entry", ())))
    found = [(e["resource"]["id"], e["search"]) for e in body.get("entry", ())]
    assert all(search["mode"] == "match" for _, search in found)
    assert [search["score"] for _, search in found] == sorted((s["score"] for _, s in found), reverse=True)
    return [(i, search["extension"][0]["valueCode"], search["score"]) for i, search in found]


async def test_an_elder_is_matched_with_certainty_by_number_name_and_birth(home: Fhir) -> None:
    elder = await home.created(known_patient(name=[{"text": "欧阳秀英"}]))
    again = known_patient(identifier=elder["identifier"], name=[{"text": "歐陽秀英"}], birthDate=elder["birthDate"])
    ((found, grade, score),) = await match(home, again)
    assert (found, grade) == (elder["id"], "certain")
    assert score > 0.99


@pytest.mark.parametrize(
    "name",
    [
        {"text": "单雄信"},
        {"text": "單雄信"},
        {"text": "Shan Xiongxin"},
        {"family": "雄信", "given": ["单"]},
        {"text": "单·雄信"},
    ],
)
async def test_without_a_number_name_birth_and_phone_make_it_probable(home: Fhir, name: Json) -> None:
    known = patient(
        name=[{"text": "单雄信"}],
        birthDate="1941-02-03",
        gender="male",
        telecom=[{"system": "phone", "value": "10077778888"}],
    )
    elder = await home.created(known)
    ((found, grade, _),) = await match(home, {**known, "name": [name]})
    assert found == elder["id"]
    assert grade in ("certain", "probable")


async def test_only_the_certain_one_is_answered_where_that_is_asked_for(home: Fhir) -> None:
    twins = [
        await home.created(
            patient(
                name=[{"text": text}], birthDate="1938-07-08", gender="female", address=[{"text": "滨河街道人民路9号"}]
            )
        )
        for text in ("赵玉兰", "赵玉梅")
    ]
    stated = patient(
        name=[{"text": "赵玉兰"}], birthDate="1938-07-08", gender="female", address=[{"text": "滨河街道人民路9号"}]
    )
    found = await match(home, stated)
    assert [each for each, _, _ in found] == [t["id"] for t in twins]
    assert [grade for _, grade, _ in found] == ["certain", "probable"]
    assert await match(home, stated, onlyCertainMatches=True) == found[:1]
    assert len(await match(home, stated, count=1)) == 1
    vague = patient(name=[{"text": "赵玉兰"}], gender="female")
    assert await match(home, vague, onlyCertainMatches=True) == []


async def test_a_person_out_of_reach_is_matched_by_nobody(home: Fhir) -> None:
    elder = await home.created(known_patient())
    stranger = home.as_(organization=f"match-{uuid4().hex[:8]}")
    assert await match(stranger, known_patient(identifier=elder["identifier"], birthDate=elder["birthDate"])) == []


async def test_slips_are_seen_through_as_the_measure_says(home: Fhir) -> None:
    """The same people, slips and answers as in benchmarks/matching.py."""
    people = [person(n) for n in range(40)]
    ids = [(await home.created(registered(each)))["id"] for each in people]
    found = [await match(home, mistaken(each, person(900 + each.number)), count=1) for each in people]
    right = [bool(f) and f[0][0] == i for f, i in zip(found, ids, strict=True)]
    assert sum(right) >= 38
    assert all(f[0][0] == i or f[0][1] == "possible" for f, i in zip(found, ids, strict=True) if f)


async def test_what_says_too_little_or_is_no_patient_is_refused(home: Fhir) -> None:
    asked: Json = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": patient(gender="male")}],
    }
    assert_outcome(await home.post("/Patient/$match", asked), 422, "incomplete", "Patient")
    asked["parameter"][0]["resource"] = {"resourceType": "Group", "type": "person", "actual": True}
    assert_outcome(await home.post("/Patient/$match", asked), 400, "value")
    assert_outcome(await home.post("/Patient/$match", {"resourceType": "Parameters"}), 400, "value")
