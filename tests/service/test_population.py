"""The generated county goes into the real services as its institutions would write it, and again without harm."""

from datetime import UTC, datetime
from typing import Any

from services.fhir.naming import ID_CARD
from tests.house import BASE, Fhir
from yiyang.population.county import County
from yiyang.population.files import directory, of_elder
from yiyang.population.loading import Loader
from yiyang.population.records import kept
from yiyang.population.referrals import Referring, stage_of, without_request

REFERRED = 72
"""An elder of whom a referral is being written."""
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)


async def test_a_county_is_loaded_twice_and_found(fhir: Fhir) -> None:
    county = County(30, seed=77)
    for round_ in range(2):
        for institution, bundle in directory(county):
            answer = await fhir.as_(organization=institution).post("/", bundle)
            assert answer.status_code == 200, (round_, answer.text[:1000])
        for number in (*range(county.elders), REFERRED):
            one = kept(number, county, NOW)
            answer = await fhir.as_(organization=one.institution.id).post("/", of_elder(one.resources))
            assert answer.status_code == 200, (round_, number, answer.text[:1000])
    assert any(r["resourceType"] == "ServiceRequest" for r in kept(REFERRED, county, NOW).resources)
    one = kept(3, county, NOW)
    keeper = fhir.as_(organization=one.institution.id)
    form = f"identifier={ID_CARD}|{one.person.id_number}".encode()
    found = await keeper.call("POST", "/Patient/_search", form, content_type="application/x-www-form-urlencoded")
    assert [e["resource"]["id"] for e in found.json()["entry"]] == ["c77-3"]


MOVING = {77: "submitted", 150: "accepted", 199: "closed"}
"""Elders of the demo's county, and how far their referrals have come."""


class Inside(Loader):
    """Writes into the house, as each institution."""

    def __init__(self, fhir: Fhir) -> None:
        self.base = BASE
        self._fhir = fhir

    async def transact(self, institution: str, bundle: dict[str, Any]) -> None:
        await self.invoke(institution, "", bundle)

    async def invoke(self, institution: str, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        sender = self._fhir.as_(organization=institution, client=institution)
        answer = await sender.post(f"/{operation}", given)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found


async def test_referrals_of_the_county_have_come_as_far_as_they_should(fhir: Fhir) -> None:
    county, now = County(500), datetime.now(UTC)
    loader = Inside(fhir)
    for institution, bundle in directory(county):
        await loader.transact(institution, bundle)
    referring = Referring(loader, county, now)
    await referring.agree()
    for number, stage in MOVING.items():
        one = kept(number, county, now)
        assert stage_of(one, county) == stage
        await loader.transact(one.institution.id, of_elder(without_request(one)))
        await referring.carry(one, stage)
        patient = one.resources[0]["id"]
        found = await fhir.as_(organization=one.institution.id).get(f"/Task?patient={patient}&code=referral")
        (task,) = (each["resource"] for each in found.json()["entry"])
        assert task["businessStatus"]["coding"][0]["code"] == stage
