"""Who reaches what, where the leak test has no eyes: page links, persons, supervision, labels, emergencies: docs/adr/0020"""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.builders import encounter, observation, organization, patient
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import Scene
from tests.shelf import link

Json = dict[str, Any]

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"reach-home-{uuid4().hex[:6]}")


@pytest.fixture
def hospital(home: Fhir) -> Fhir:
    return home.as_(organization=f"reach-hospital-{uuid4().hex[:6]}")


def institution(fhir: Fhir) -> Json:
    return {"reference": f"Organization/{fhir.caller.organization}"}


async def elder(home: Fhir) -> str:
    return f"Patient/{(await home.created(patient()))['id']}"


async def test_another_callers_page_link_is_no_link(home: Fhir, hospital: Fhir) -> None:
    who = await elder(home)
    for _ in range(3):
        await home.created(observation(who))
    following = link((await home.get(f"/Observation?subject={who}&_count=1")).json(), "next")
    assert following is not None
    assert (await home.get(following)).status_code == 200
    assert_outcome(await hospital.get(following), 400, "value")


async def test_a_person_sees_the_own_record_and_nobody_elses(home: Fhir) -> None:
    mine, other = await elder(home), await elder(home)
    pulse, stranger = await home.created(observation(mine)), await home.created(observation(other))
    place = await home.created(organization())
    person = home.as_(practitioner=mine, purpose="PATRQT")
    for name, status in ((mine, 200), (f"Observation/{pulse['id']}", 200), (f"Organization/{place['id']}", 200)):
        assert (await person.get(f"/{name}")).status_code == status
    for name in (other, f"Observation/{stranger['id']}"):
        assert_outcome(await person.get(f"/{name}"), 404, "not-found")
    found = (await person.get("/Observation?_total=accurate")).json()
    assert found["total"] == 1


async def test_an_institution_without_a_name_sees_the_directory_alone(home: Fhir) -> None:
    who = await elder(home)
    assert_outcome(await home.as_(organization="").get(f"/{who}"), 404, "not-found")


async def test_a_lead_reads_what_its_member_sees_and_writes_nothing(home: Fhir, hospital: Fhir) -> None:
    who = await elder(home)
    pulse = await home.created(observation(who))
    code = {"system": "https://yiyang.example/fhir/CodeSystem/affiliation-type", "code": "supervision"}
    said: Json = {"resourceType": "OrganizationAffiliation", "code": [{"coding": [code]}]}
    said |= {"organization": institution(hospital), "participatingOrganization": institution(home)}
    await hospital.created(said)
    assert_outcome(await hospital.get(f"/{who}"), 404, "not-found")
    agreed = await home.created(said)
    assert (await hospital.get(f"/Observation/{pulse['id']}")).status_code == 200
    assert_outcome(await hospital.put(f"/Observation/{pulse['id']}", pulse), 403, "forbidden")
    assert_outcome(await hospital.delete(f"/Observation/{pulse['id']}"), 403, "forbidden")
    assert_outcome(await hospital.post("/Observation", observation(who)), 422, "not-found", "Observation.subject")
    await home.put(f"/OrganizationAffiliation/{agreed['id']}", agreed | {"active": False})
    assert_outcome(await hospital.get(f"/Observation/{pulse['id']}"), 404, "not-found")


async def test_a_label_is_removed_by_who_is_cleared_for_it(home: Fhir) -> None:
    very = {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}
    stored = await home.created(observation(await elder(home), meta=very))
    bare = {name: value for name, value in stored.items() if name != "meta"}
    assert_outcome(await home.put(f"/Observation/{stored['id']}", bare), 403, "forbidden", "Observation.meta.security")
    labels = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": very}]}
    assert_outcome(await home.post(f"/Observation/{stored['id']}/$meta-delete", labels), 403, "forbidden")


async def test_nobody_admits_a_stranger_to_itself(home: Fhir, hospital: Fhir) -> None:
    who = await elder(home)
    pulse = await home.created(observation(who))
    stay = encounter(who, serviceProvider=institution(hospital))
    assert_outcome(await hospital.post("/Encounter", stay), 422, "not-found", "Encounter.subject")
    assert_outcome(await hospital.get(f"/Observation/{pulse['id']}"), 404, "not-found")
    admitted = await home.created(stay)
    assert (await hospital.get(f"/Observation/{pulse['id']}")).status_code == 200
    await home.put(f"/Encounter/{admitted['id']}", admitted | {"status": "entered-in-error"})
    assert_outcome(await hospital.get(f"/Observation/{pulse['id']}"), 404, "not-found")


async def test_a_stat_referral_opens_the_record_under_an_emergencys_purpose(fhir: Fhir) -> None:
    scene = await Scene.set(fhir)
    pulse = await scene.placer.created(observation(scene.patient))
    await scene.submitted(scene.request(priority="stat"))
    path = f"/Observation/{pulse['id']}"
    assert_outcome(await scene.fulfiller.get(path), 404, "not-found")
    assert (await scene.fulfiller.as_(purpose="ETREAT").get(path)).status_code == 200


async def test_a_transaction_names_the_entry_whose_patient_is_out_of_reach(home: Fhir, hospital: Fhir) -> None:
    who = await elder(home)
    entries = [
        {"resource": r, "request": {"method": "POST", "url": r["resourceType"]}} for r in (patient(), observation(who))
    ]
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert_outcome(await hospital.post("/", sent), 422, "not-found", "Bundle.entry[1].resource.subject")


async def test_a_version_that_opens_nothing_new_leaves_the_bases_alone(home: Fhir, database_url: str) -> None:
    """They go on from when they began: a version is no reason to write them again."""
    stay = await home.created(encounter(await elder(home), serviceProvider=institution(home)))

    async def bases() -> list[Any]:
        connection = await asyncpg.connect(database_url)
        try:
            sql = "SELECT xmin::text, begins, ends FROM fhir.access_grant WHERE source = $1"
            return [tuple(row) for row in await connection.fetch(sql, f"Encounter/{stay['id']}")]
        finally:
            await connection.close()

    before = await bases()
    assert len(before) == 1
    assert (await home.put(f"/Encounter/{stay['id']}", stay | {"priority": {"text": "急"}})).status_code == 200
    assert await bases() == before
    assert (await home.put(f"/Encounter/{stay['id']}", stay | {"status": "finished"})).status_code == 200
    assert [ends for _, _, ends in await bases()] < [ends for _, _, ends in before]
