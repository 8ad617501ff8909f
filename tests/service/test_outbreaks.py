"""A cluster of illness in one institution: found as its signs come, once, and told to the county's centre for disease control (docs/adr/0053)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.care.quality.outbreaks import OUTBREAK, SID
from tests.builders import coded, condition, episode_of_care, organization
from tests.bulk import database
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.ward import HOME, Ward, wards

__all__ = ["database"]

Json = dict[str, Any]

CONTROL = "county-control"
MODE = "https://yiyang.example/fhir/CodeSystem/service-mode"


def in_county(code: str) -> list[Json]:
    division = {"url": "https://yiyang.example/fhir/StructureDefinition/division-code", "valueCode": code}
    return [{"extension": [division], "text": "x"}]


@pytest.fixture
async def ward(clean_database: str) -> AsyncIterator[Ward]:
    async with wards(clean_database) as (ward,):
        await ward.home.put(f"/Organization/{HOME}", organization(id=HOME, address=in_county("999101")))
        other = organization(id="other-control", type=[coded("https://yiyang.example/fhir/CodeSystem/ws-218", "J100")])
        await ward.home.put("/Organization/other-control", other | {"address": in_county("999201")})
        own = {**other, "id": CONTROL, "address": in_county("999101")}
        await ward.home.put(f"/Organization/{CONTROL}", own)
        yield ward


async def admit(ward: Ward, mode: str = "residential") -> str:
    """Another resident."""
    person = await ward.home.created({"resourceType": "Patient"})
    ward.elder = f"Patient/{person['id']}"
    stay = {"type": [coded(MODE, mode)], "managingOrganization": {"reference": f"Organization/{HOME}"}}
    await ward.home.created(episode_of_care(ward.elder, **stay))  # type: ignore[arg-type]
    return ward.elder


async def feverish(ward: Ward, value: float = 38.2, mode: str = "residential") -> None:
    await admit(ward, mode)
    await ward.measured("8310-5", value, "Cel")


async def clusters(client: Fhir) -> list[Json]:
    found = (await client.get(f"/DetectedIssue?identifier={SID}|&_sort=identified")).json()
    return [each["resource"] for each in found.get("entry", ())]


async def messages(client: Fhir) -> list[Json]:
    found = (await client.get("/Communication?recipient=Organization/county-control")).json()
    return [each["resource"] for each in found.get("entry", ())]


async def test_three_residents_with_fever_in_three_days_are_a_cluster(ward: Ward) -> None:
    control = ward.home.as_(organization=CONTROL, practitioner=None)
    await feverish(ward)
    await ward.measured("8310-5", 38.9, "Cel")  # the same resident again
    await feverish(ward, 37.2)  # no fever
    await feverish(ward, mode="family-doctor")  # no resident
    await feverish(ward)
    assert await clusters(ward.home) == []
    await feverish(ward)
    (cluster,) = await clusters(ward.home)
    assert cluster["code"]["coding"][0] == {"system": OUTBREAK, "code": "fever", "display": "发热聚集"}
    assert len(cluster["evidence"]) == 4
    (message,) = await messages(control)
    assert message["sender"]["reference"] == f"Organization/{HOME}"
    assert "3名" in message["payload"][0]["contentString"]
    assert "Patient/" not in str(message)
    assert await messages(ward.home.as_(organization="other-control", practitioner=None)) == []
    assert await clusters(ward.home.as_(organization="stranger", practitioner=None)) == []


async def test_more_cases_belong_to_the_cluster_that_is_open_and_are_not_told_twice(ward: Ward) -> None:
    control = ward.home.as_(organization=CONTROL, practitioner=None)
    for _ in range(5):
        await feverish(ward)
    (cluster,) = await clusters(ward.home)
    assert len(cluster["evidence"]) == 5
    assert len(await messages(control)) == 1
    await ward.leap(days=4)
    for _ in range(3):
        await feverish(ward)
    assert len(await clusters(ward.home)) == 2
    assert len(await messages(control)) == 2


async def test_what_is_spread_over_more_days_is_none(ward: Ward) -> None:
    for _ in range(3):
        await feverish(ward)
        await ward.leap(hours=40)
    assert await clusters(ward.home) == []


async def test_what_comes_late_or_from_a_clock_ahead_is_none(ward: Ward) -> None:
    for days in (-5, -4, 3, 4):
        await admit(ward)
        await ward.measured("8310-5", 39, "Cel", ago=-days * 24 * 60)
    await feverish(ward)
    await feverish(ward)
    assert await clusters(ward.home) == []
    await feverish(ward)
    (cluster,) = await clusters(ward.home)
    assert len(cluster["evidence"]) == 3


@pytest.mark.parametrize("form", ["effectiveInstant", "effectivePeriod"])
async def test_a_sign_counts_in_whatever_form_its_time_is_told(ward: Ward, form: str) -> None:
    for _ in range(3):
        await admit(ward)
        reading = ward.reading("8310-5", 38.5, "Cel")
        at = reading.pop("effectiveDateTime")
        await ward.send(reading | {form: {"start": at, "end": at} if form == "effectivePeriod" else at})
    assert len(await clusters(ward.home)) == 1


async def test_diagnoses_count_by_the_beginnings_of_their_codes(ward: Ward) -> None:
    for code in ("A09", "K52.9", "R11"):
        await admit(ward)
        today = ward.now.date().isoformat()
        await ward.send(condition(ward.elder, code=coded("http://hl7.org/fhir/sid/icd-10", code), recordedDate=today))
    assert [each["code"]["coding"][0]["code"] for each in await clusters(ward.home)] == ["gastrointestinal"]


async def ill(ward: Ward, code: str, **changes: Any) -> None:
    await admit(ward)
    today = ward.now.date().isoformat()
    await ward.send(
        condition(ward.elder, code=coded("http://hl7.org/fhir/sid/icd-10", code), recordedDate=today, **changes)
    )


async def test_the_longer_codes_of_the_chinese_edition_are_counted(ward: Ward) -> None:
    for code in ("J11.101", "J18.903", "J06.900x003"):
        await ill(ward, code)
    assert [each["code"]["coding"][0]["code"] for each in await clusters(ward.home)] == ["respiratory"]


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
async def test_a_diagnosis_that_does_not_hold_is_no_sign(ward: Ward, status: str) -> None:
    verified = coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", status)
    await ill(ward, "A09", verificationStatus=verified)
    for code in ("A09", "A04"):
        await ill(ward, code)
    assert await clusters(ward.home) == []
    await ill(ward, "K52")
    (cluster,) = await clusters(ward.home)
    assert len(cluster["evidence"]) == 3


async def test_a_cluster_is_the_platforms_and_the_institution_says_how_it_went(ward: Ward) -> None:
    for _ in range(3):
        await feverish(ward)
    (cluster,) = await clusters(ward.home)
    path = f"/DetectedIssue/{cluster['id']}"
    done = {**cluster, "status": "final", "mitigation": [{"action": {"text": "已隔离"}}]}
    assert (await ward.home.put(path, done)).status_code == 200
    assert_outcome(await ward.home.put(path, {**done, "detail": "没有"}), 422, "business-rule", "DetectedIssue")
    assert_outcome(await ward.home.delete(path), 422, "business-rule", "DetectedIssue")
    own = {key: value for key, value in cluster.items() if key not in ("id", "meta")}
    assert_outcome(await ward.home.post("/DetectedIssue", own), 422, "business-rule", "DetectedIssue")
