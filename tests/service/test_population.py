"""The generated county goes into the real services as its institutions would write it, and again without harm."""

from datetime import UTC, datetime

from services.fhir.naming import ID_CARD
from tests.house import Fhir
from yiyang.population.county import County
from yiyang.population.files import directory, of_elder
from yiyang.population.records import kept

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
