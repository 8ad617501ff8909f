"""A sickbed at home 家庭病床 and its rounds: docs/adr/0057"""

from typing import Any, Final
from uuid import uuid4

import pytest

from tests.builders import (
    coded,
    create,
    encounter,
    episode_of_care,
    known_patient,
    organization,
    practitioner,
    transaction,
    urn,
)
from tests.house import Fhir, Json
from tests.matchers import assert_outcome

MODE: Final = "https://yiyang.example/fhir/CodeSystem/service-mode"
ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


class Clinic:
    """A clinic whose doctor sets up sickbeds at home."""

    def __init__(self, fhir: Fhir, house: str, doctor: str) -> None:
        self.fhir = fhir
        self.house = house
        self.doctor = doctor

    @classmethod
    async def opened(cls, fhir: Fhir) -> "Clinic":
        own = Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"clinic-{uuid4().hex[:8]}")
        house, doctor = await own.created(organization()), await own.created(practitioner())
        return cls(own, f"Organization/{house['id']}", f"Practitioner/{doctor['id']}")

    async def elder(self) -> str:
        return f"Patient/{(await self.fhir.created(known_patient()))['id']}"

    def sickbed(self, elder: str, at: str = "active", **changes: Any) -> Json:
        made = {
            "type": [coded(MODE, "home-bed", "家庭病床")], "managingOrganization": {"reference": self.house},
            "careManager": {"reference": self.doctor}, "period": {"start": "2026-10-01"},
        } | changes  # fmt: skip
        return episode_of_care(elder, at, **{name: value for name, value in made.items() if value is not None})

    def round(
        self, elder: str, sickbed: str, start: str = "2026-10-08T09:00:00+08:00", kind: str = "HH", **more: Any
    ) -> Json:
        made = {
            "class": {"system": ACT, "code": kind},
            "period": {"start": start},
            "episodeOfCare": [{"reference": sickbed}],
        }
        return encounter(elder, more.pop("at", "finished"), **made, **more)

    async def set_up(self, elder: str, **changes: Any) -> str:
        return f"EpisodeOfCare/{(await self.fhir.created(self.sickbed(elder, **changes)))['id']}"


@pytest.fixture
async def clinic(fhir: Fhir) -> Clinic:
    return await Clinic.opened(fhir)


@pytest.mark.parametrize(
    ("missing", "element"),
    [("managingOrganization", "managingOrganization"), ("period", "period.start"), ("careManager", "careManager")],
)
async def test_somebody_answers_for_it_from_its_first_day(clinic: Clinic, missing: str, element: str) -> None:
    absent: dict[str, Any] = {missing: None}
    body = clinic.sickbed(await clinic.elder(), **absent)
    answer = await clinic.fhir.post("/EpisodeOfCare", body)
    assert_outcome(answer, 422, "business-rule", f"EpisodeOfCare.{element}")
    assert (await clinic.fhir.post("/EpisodeOfCare", body | {"status": "planned"})).status_code == 201


async def test_an_elder_has_one_sickbed_at_home(clinic: Clinic) -> None:
    elder = await clinic.elder()
    first = await clinic.fhir.created(clinic.sickbed(elder))
    assert_outcome(await clinic.fhir.post("/EpisodeOfCare", clinic.sickbed(elder)), 409, "conflict")
    await clinic.fhir.put(f"/EpisodeOfCare/{first['id']}", first | {"status": "finished"})
    await clinic.set_up(elder)


async def test_a_round_is_of_a_sickbed_that_stands_and_of_its_elder(clinic: Clinic) -> None:
    elder, other = await clinic.elder(), await clinic.elder()
    sickbed = await clinic.set_up(elder)
    await clinic.fhir.created(clinic.round(elder, sickbed))
    stranger = await clinic.fhir.post("/Encounter", clinic.round(other, sickbed))
    assert_outcome(stranger, 422, "business-rule", "Encounter.episodeOfCare[0]")
    planned = await clinic.set_up(other, at="planned")
    early = await clinic.fhir.post("/Encounter", clinic.round(other, planned))
    assert_outcome(early, 422, "business-rule", "Encounter.episodeOfCare[0]")
    await clinic.fhir.created(clinic.round(other, planned, at="planned"))


async def test_a_round_that_was_made_can_be_completed_after_the_sickbed(clinic: Clinic) -> None:
    elder = await clinic.elder()
    sickbed = await clinic.set_up(elder)
    visit = await clinic.fhir.created(clinic.round(elder, sickbed, at="in-progress"))
    there = (await clinic.fhir.get(f"/{sickbed}")).json()
    await clinic.fhir.put(f"/{sickbed}", there | {"status": "finished"})
    answer = await clinic.fhir.put(f"/Encounter/{visit['id']}", visit | {"status": "finished"})
    assert answer.status_code == 200, answer.text


async def test_a_sickbed_and_its_first_round_come_together(clinic: Clinic) -> None:
    elder, url = await clinic.elder(), urn()
    together = transaction(create(clinic.sickbed(elder), url), create(clinic.round(elder, url)))
    assert (await clinic.fhir.post("/", together)).status_code == 200


async def test_its_rounds_are_told_newest_first(clinic: Clinic) -> None:
    elder = await clinic.elder()
    sickbed = await clinic.set_up(elder)
    first = await clinic.fhir.created(clinic.round(elder, sickbed))
    second = await clinic.fhir.created(clinic.round(elder, sickbed, "2026-10-15T09:00:00+08:00", "FLD"))
    await clinic.fhir.created(clinic.round(elder, sickbed, kind="VR"))
    await clinic.fhir.created(clinic.round(elder, sickbed, at="cancelled"))
    answer = await clinic.fhir.get(f"/{sickbed}/$rounds")
    assert answer.status_code == 200, answer.text
    said = {p["name"]: next(v for k, v in p.items() if k != "name") for p in answer.json()["parameter"]}
    assert said["count"] == 2
    assert said["last"] == "2026-10-15T09:00:00+08:00"
    assert said["days-since"] >= 0
    names = [p["part"][0]["valueReference"]["reference"] for p in answer.json()["parameter"] if p["name"] == "round"]
    assert names == [f"Encounter/{second['id']}", f"Encounter/{first['id']}"]
    assert_outcome(await clinic.fhir.as_(organization="rounds-stranger").get(f"/{sickbed}/$rounds"), 404, "not-found")
    lived = await clinic.fhir.created(episode_of_care(elder))
    assert_outcome(await clinic.fhir.get(f"/EpisodeOfCare/{lived['id']}/$rounds"), 422, "business-rule")
