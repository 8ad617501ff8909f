"""How soon alerts are answered: of whom they were first, though they went on to somebody above (docs/indicators.md)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.bulk import database
from tests.ward import COUNTY, HOME, Ward, wards

__all__ = ["database"]

Json = dict[str, Any]


@pytest.fixture
async def ward(clean_database: str) -> AsyncIterator[Ward]:
    async with wards(clean_database) as (ward,):
        yield ward


async def told(ward: Ward, organization: str) -> list[list[int]]:
    year = ward.now.year
    path = f"/Measure/alert-response/$evaluate-measure?periodStart={year - 1}&periodEnd={year + 1}"
    answer = await ward.home.as_(organization=organization).get(path)
    assert answer.status_code == 200, answer.text
    return [[each["count"] for each in group["population"]] for group in answer.json()["group"]]


async def test_who_had_an_alert_first_answers_for_it(ward: Ward) -> None:
    for minutes in (5, 40, 0):
        await ward.admit()
        await ward.measured("8480-6", 190)
        if minutes:
            await ward.leap(minutes=minutes)
            assert (await ward.act("acknowledge", await ward.alert())).status_code == 200
    await ward.leap(hours=6)  # nobody answers the last one: it goes up
    assert (await ward.task(await ward.alert()))["owner"]["reference"] == f"Organization/{COUNTY}"
    assert (await told(ward, HOME))[0] == [3, 1]


async def test_a_call_for_help_is_timed_to_its_answer(ward: Ward) -> None:
    for minutes in (2, 4):
        await ward.admit()
        call = {"resourceType": "Communication", "status": "in-progress", "subject": {"reference": ward.elder}}
        sos = {"system": "https://yiyang.example/fhir/CodeSystem/alert-rule", "code": "sos"}
        await ward.send(call | {"category": [{"coding": [sos]}]})
        await ward.leap(minutes=minutes)
        assert (await ward.act("acknowledge", await ward.alert())).status_code == 200
    assert (await told(ward, HOME))[1] == [2, 6]
