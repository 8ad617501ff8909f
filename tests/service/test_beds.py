"""Who lies where: one bed for one elder, occupied and free as stays begin and end: docs/adr/0054"""

import asyncio
from typing import Any, Final
from uuid import uuid4

import pytest

from services.records.beds import NATURE_EXTENSION
from tests.builders import coded, encounter, episode_of_care, known_patient
from tests.house import Fhir, Json
from tests.matchers import assert_outcome
from tests.service.test_access_register import consent, statement

PHYSICAL: Final = "http://terminology.hl7.org/CodeSystem/location-physical-type"
ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
STATUS: Final = "http://terminology.hl7.org/CodeSystem/v2-0116"
MODE: Final = "https://yiyang.example/fhir/CodeSystem/service-mode"


class Home:
    """A nursing home with beds and residents."""

    def __init__(self, fhir: Fhir) -> None:
        self.name = f"home-{uuid4().hex[:8]}"
        self.fhir = Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=self.name)

    async def bed(self, status: str = "U", nature: str = "", **changes: Any) -> str:
        extension = {"extension": [{"url": NATURE_EXTENSION, "valueCode": nature}]} if nature else {}
        made = await self.fhir.created(
            {
                "resourceType": "Location", "status": "active", "physicalType": coded(PHYSICAL, "bd"),
                "operationalStatus": {"system": STATUS, "code": status},
            } | extension | changes
        )  # fmt: skip
        return f"Location/{made['id']}"

    async def elder(self) -> str:
        return f"Patient/{(await self.fhir.created(known_patient()))['id']}"

    def stay(self, elder: str, *beds: str, kind: str = "NONAC", at: str = "in-progress", **changes: Any) -> Json:
        places = [{"location": {"reference": bed}, "status": "active"} for bed in beds]
        started = {"period": {"start": "2026-10-01T08:00:00+08:00"}, "class": {"system": ACT, "code": kind}}
        return encounter(elder, at, **started, **({"location": places} if places else {}), **changes)

    async def moved_in(self, elder: str, *beds: str, **changes: Any) -> Json:
        return await self.fhir.created(self.stay(elder, *beds, **{"kind": "HH"} | changes))

    async def changed(self, stay: Json, **changes: Any) -> Json:
        body = {k: v for k, v in (stay | changes).items() if v is not None}
        answer = await self.fhir.put(f"/Encounter/{stay['id']}", body)
        assert answer.status_code == 200, answer.text
        stored: Json = answer.json()
        return stored

    async def status(self, bed: str) -> str:
        found: str = (await self.fhir.get(f"/{bed}")).json()["operationalStatus"]["code"]
        return found


@pytest.fixture
def home(fhir: Fhir) -> Home:
    return Home(fhir)


async def test_a_bed_is_occupied_as_long_as_somebody_stays_in_it(home: Home) -> None:
    bed, elder = await home.bed(), await home.elder()
    stay = await home.moved_in(elder, bed)
    assert await home.status(bed) == "O"
    await home.changed(stay, status="finished")
    assert await home.status(bed) == "U"
    await home.moved_in(await home.elder(), bed)


async def test_there_are_never_two_in_a_bed(home: Home) -> None:
    bed = await home.bed()
    await home.moved_in(await home.elder(), bed)
    answer = await home.fhir.post("/Encounter", home.stay(await home.elder(), bed, kind="HH"))
    assert_outcome(answer, 409, "conflict")
    expected = home.stay(await home.elder(), bed, kind="HH", at="planned")
    assert (await home.fhir.post("/Encounter", expected)).status_code == 201


async def test_of_many_who_move_in_at_once_one_gets_the_bed(home: Home) -> None:
    bed = await home.bed()
    stays = [home.stay(await home.elder(), bed, kind="HH") for _ in range(6)]
    answers = await asyncio.gather(*(home.fhir.post("/Encounter", each) for each in stays))
    assert sorted(each.status_code for each in answers) == [201] + [409] * 5


async def test_who_moves_to_another_bed_leaves_the_first(home: Home) -> None:
    first, second = await home.bed(), await home.bed()
    stay = await home.moved_in(await home.elder(), first)
    places = [
        {"location": {"reference": first}, "status": "completed"},
        {"location": {"reference": second}, "status": "active"},
    ]
    moved = await home.changed(stay, location=places)
    assert [await home.status(each) for each in (first, second)] == ["U", "O"]
    await home.fhir.delete(f"/Encounter/{moved['id']}")
    assert await home.status(second) == "U"


async def test_a_bed_is_kept_while_its_elder_is_away(home: Home) -> None:
    bed = await home.bed()
    stay = await home.moved_in(await home.elder(), bed)
    await home.changed(stay, status="onleave", location=[{"location": {"reference": bed}, "status": "reserved"}])
    assert_outcome(await home.fhir.post("/Encounter", home.stay(await home.elder(), bed, kind="HH")), 409, "conflict")


@pytest.mark.parametrize("status", ["C", "K", "I", "H"])
async def test_a_bed_that_is_not_open_takes_nobody(home: Home, status: str) -> None:
    stay = home.stay(await home.elder(), await home.bed(status), kind="HH")
    assert_outcome(await home.fhir.post("/Encounter", stay), 409, "conflict", "Encounter.location")


async def test_nobody_fills_the_beds_of_another_institution(home: Home) -> None:
    ward = {"resourceType": "Organization", "name": "二病区", "partOf": {"reference": f"Organization/{home.name}"}}
    department = await home.fhir.created(ward)
    own = await home.bed(managingOrganization={"reference": f"Organization/{department['id']}"})
    await home.moved_in(await home.elder(), own)
    theirs = await home.bed(managingOrganization={"reference": "Organization/another-home"})
    stay = home.stay(await home.elder(), theirs, kind="HH")
    assert_outcome(await home.fhir.post("/Encounter", stay), 422, "business-rule", "Encounter.location")
    assert await home.status(theirs) == "U"


async def test_a_ward_is_no_bed(home: Home) -> None:
    ward = await home.bed(physicalType=coded(PHYSICAL, "wa"))
    for _ in range(2):
        await home.moved_in(await home.elder(), ward)


async def test_an_occupied_bed_stays_what_it_is(home: Home) -> None:
    bed = await home.bed()
    stay = await home.moved_in(await home.elder(), bed)
    there = (await home.fhir.get(f"/{bed}")).json()
    freed = there | {"operationalStatus": {"system": STATUS, "code": "U"}}
    assert (await home.fhir.put(f"/{bed}", freed)).json()["operationalStatus"]["code"] == "O"
    assert_outcome(await home.fhir.put(f"/{bed}", there | {"status": "inactive"}), 409, "conflict", "Location.status")
    assert_outcome(await home.fhir.delete(f"/{bed}"), 409, "conflict", "Location.status")
    await home.changed(stay, status="finished")
    assert (await home.fhir.delete(f"/{bed}")).status_code == 204


async def test_hospital_care_needs_a_medical_bed(home: Home) -> None:
    """医疗床位和养老床位转换: the bed is converted first, then the stay changes its class."""
    bed = await home.bed(nature="elderly-care")
    stay = await home.moved_in(await home.elder(), bed)
    inpatient = {"class": {"system": ACT, "code": "IMP"}}
    refused = await home.fhir.put(f"/Encounter/{stay['id']}", stay | inpatient)
    assert_outcome(refused, 422, "business-rule", "Encounter.location")
    there = (await home.fhir.get(f"/{bed}")).json()
    medical = [{"url": NATURE_EXTENSION, "valueCode": "medical"}]
    assert (await home.fhir.put(f"/{bed}", there | {"extension": medical})).status_code == 200
    changed = await home.changed(stay, **inpatient)
    assert changed["class"]["code"] == "IMP"


async def test_what_a_stay_was_before_is_kept(home: Home) -> None:
    stay = await home.moved_in(await home.elder(), await home.bed(nature="medical"))
    inpatient = await home.changed(stay, **{"class": {"system": ACT, "code": "IMP"}})
    (was,) = inpatient["classHistory"]
    assert was["class"]["code"] == "HH"
    assert was["period"]["start"] == "2026-10-01T08:00:00+08:00"
    back = await home.changed(inpatient, **{"class": {"system": ACT, "code": "HH"}})
    assert [each["class"]["code"] for each in back["classHistory"]] == ["HH", "IMP"]
    assert back["classHistory"][1]["period"]["start"] == was["period"]["end"]
    away = await home.changed(back, status="onleave")
    assert [each["status"] for each in away["statusHistory"]] == ["in-progress"]


async def test_what_the_sender_says_of_it_is_left_alone(home: Home) -> None:
    stay = await home.moved_in(await home.elder(), await home.bed())
    said = [{"class": {"system": ACT, "code": "HH"}, "period": {"start": "2026-01-01", "end": "2026-11-01"}}]
    changed = await home.changed(stay, **{"class": {"system": ACT, "code": "AMB"}}, classHistory=said)
    assert changed["classHistory"] == said


# ---- residencies ---------------------------------------------------------------------------------------------------------------------


def residency(elder: str, home: Home, mode: str = "residential", at: str = "active", **changes: Any) -> Json:
    return episode_of_care(
        elder,
        at,
        type=[coded(MODE, mode)],
        managingOrganization={"reference": f"Organization/{home.name}"},
        period={"start": "2026-10-01"},
        **changes,
    )


async def test_an_elder_lives_in_one_home(home: Home) -> None:
    elder = await home.elder()
    first = await home.fhir.created(residency(elder, home))
    assert_outcome(await home.fhir.post("/EpisodeOfCare", residency(elder, home)), 409, "conflict")
    await home.fhir.created(residency(elder, home, mode="family-doctor"))
    planned = await home.fhir.created(residency(elder, home, at="planned"))
    moved = first | {"status": "finished", "period": {"start": "2026-10-01", "end": "2026-11-01"}}
    assert (await home.fhir.put(f"/EpisodeOfCare/{first['id']}", moved)).status_code == 200
    assert (await home.fhir.put(f"/EpisodeOfCare/{planned['id']}", planned | {"status": "active"})).status_code == 200


async def test_a_residency_ends_on_the_day_that_its_home_gave(home: Home) -> None:
    elder = await home.elder()
    left = residency(elder, home) | {"period": {"start": "2025-10-01", "end": "2025-11-01"}}
    forgotten = await home.fhir.created(left)
    now = await home.fhir.created(residency(elder, home))
    assert (await home.fhir.put(f"/EpisodeOfCare/{forgotten['id']}", forgotten)).status_code == 200
    back = forgotten | {"period": {"start": "2025-10-01"}}
    assert_outcome(await home.fhir.put(f"/EpisodeOfCare/{forgotten['id']}", back), 409, "conflict")
    closing = now | {"period": {"start": "2026-10-01", "end": "2026-11-01"}}
    assert (await home.fhir.put(f"/EpisodeOfCare/{now['id']}", closing)).status_code == 200
    assert (await home.fhir.put(f"/EpisodeOfCare/{forgotten['id']}", back)).status_code == 200


async def test_a_home_is_told_what_to_do_where_another_never_closed_its_residency(home: Home) -> None:
    person = await home.fhir.created(known_patient())
    elder = f"Patient/{person['id']}"
    first = await home.fhir.created(residency(elder, home))
    own = await home.fhir.post("/EpisodeOfCare", residency(elder, home))
    assert_outcome(own, 409, "conflict", "EpisodeOfCare.type")
    assert f"EpisodeOfCare/{first['id']}" in own.text
    other = Home(home.fhir)
    stranger = await other.fhir.post("/EpisodeOfCare", residency(elder, other))
    assert_outcome(stranger, 422, "not-found", "EpisodeOfCare.patient")
    kinds = [{"system": "http://hl7.org/fhir/resource-types", "code": each} for each in ("Patient", "Observation")]
    agreed = statement(person, consent(other.fhir, **{"class": kinds}))
    answer = await other.fhir.post("/Patient/$register", agreed)
    assert answer.status_code == 200, answer.text
    assert_outcome(await other.fhir.get(f"/EpisodeOfCare/{first['id']}"), 404, "not-found")
    told = await other.fhir.post("/EpisodeOfCare", residency(elder, other))
    assert_outcome(told, 409, "conflict", "EpisodeOfCare.type")
    assert "period.end" in told.text
    assert first["id"] not in told.text
    assert home.name not in told.text
    await other.fhir.created(residency(elder, other, at="planned"))


async def test_her_place_is_hers_while_she_is_in_hospital(home: Home) -> None:
    elder = await home.elder()
    first = await home.fhir.created(residency(elder, home))
    held = (await home.fhir.put(f"/EpisodeOfCare/{first['id']}", first | {"status": "onhold"})).json()
    assert [each["status"] for each in held["statusHistory"]] == ["active"]
    assert held["statusHistory"][0]["period"]["start"] == "2026-10-01"
    assert_outcome(await home.fhir.post("/EpisodeOfCare", residency(elder, home)), 409, "conflict")
    back = (await home.fhir.put(f"/EpisodeOfCare/{first['id']}", held | {"status": "active"})).json()
    assert [each["status"] for each in back["statusHistory"]] == ["active", "onhold"]
