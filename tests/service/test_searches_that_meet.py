"""Searches of patients' pages that leave in one statement answer as each does alone: docs/adr/0023"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from pydantic import SecretStr

from services.kit.settings import ServiceSettings
from tests.builders import create, observation, patient, transaction
from tests.house import KEY, Fhir, in_one_process
from tests.matchers import assert_outcome

Json = dict[str, Any]

FIRST = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"pages-{uuid4().hex[:6]}")


async def _with_pulses(home: Fhir, count: int) -> str:
    person: str = (await home.created(patient()))["id"]
    days = [(FIRST + timedelta(days=n)).isoformat() for n in range(count)]
    pulses = [create(observation(f"Patient/{person}", effectiveDateTime=day)) for day in days]
    if pulses:
        assert (await home.post("/", transaction(*pulses))).status_code == 200
    return person


def _ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [e["resource"]["id"] for e in answer.json().get("entry", ())]


def _links(answer: Any) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in answer.json()["link"]}


async def test_each_gets_its_own_page_in_its_own_order(home: Fhir) -> None:
    people = [await _with_pulses(home, count) for count in (0, 1, 3, 4, 7)]
    asked = [
        f"/Observation?patient={person}&{rest}"
        for person in people
        for rest in ("_sort=-date&_count=3", "_sort=date&_count=3", "date=ge2026-01-07&_count=2", "_count=1")
    ]
    alone = [await home.get(path) for path in asked]
    together = await asyncio.gather(*(home.get(path) for path in asked))
    assert [_ids(a) for a in together] == [_ids(a) for a in alone]
    assert [set(_links(a)) for a in together] == [set(_links(a)) for a in alone]
    assert len(_ids(together[-4])) == 3


async def test_pages_that_are_turned_at_the_same_time_go_on_where_each_was(home: Fhir) -> None:
    people = [await _with_pulses(home, 5) for _ in range(3)]
    seen: list[list[str]] = [[] for _ in people]
    paths = [f"/Observation?patient={person}&_sort=date&_count=2" for person in people]
    for _ in range(3):
        answers = await asyncio.gather(*(home.get(path) for path in paths))
        for ids, answer in zip(seen, answers, strict=True):
            ids.extend(_ids(answer))
        following = [_links(a).get("next") for a in answers]
        paths = [url.partition("/fhir")[2] for url in following if url]
    assert [len({*ids}) for ids in seen] == [5, 5, 5]


async def test_who_may_not_see_a_page_sees_nothing_of_it_beside_others(home: Fhir) -> None:
    own, foreign = await _with_pulses(home, 2), await _with_pulses(home.as_(organization="elsewhere"), 2)
    answers = await asyncio.gather(*(home.get(f"/Observation?patient={p}") for p in (own, foreign, own, foreign)))
    assert [len(_ids(a)) for a in answers] == [2, 0, 2, 0]


async def test_a_value_with_marks_of_a_list_is_a_value(home: Fhir) -> None:
    person = await _with_pulses(home, 1)
    codes = ('a"b', "a\\b", "{a}", "a b", "NULL")
    await asyncio.gather(
        *(home.created(observation(f"Patient/{person}", code={"coding": [{"code": c}]})) for c in codes)
    )
    said = [quote(code.replace("\\", "\\\\")) for code in codes]
    answers = await asyncio.gather(*(home.get(f"/Observation?patient={person}&code={code}") for code in said))
    assert [len(_ids(a)) for a in answers] == [1] * len(codes)


async def test_a_search_that_takes_too_long_is_refused_as_too_costly(database_url: str, fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/valueset-issue-type.html: too-costly."""
    settings = ServiceSettings(database_url=database_url, internal_key=SecretStr(KEY), search_seconds=0.0001)
    async with in_one_process(database_url, settings) as peers:
        hurried = Fhir(peers, fhir.caller)
        assert_outcome(await hurried.get("/Patient?name=a"), 400, "too-costly")
        assert_outcome(await hurried.get("/Observation?patient=nobody-here"), 400, "too-costly")
    assert (await fhir.get("/Patient?name=a")).status_code == 200


async def test_a_create_takes_no_criteria_in_its_url(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#ccreate: those of a conditional create stand in If-None-Exist."""
    assert_outcome(await fhir.post("/Patient?identifier=urn:x|1", patient()), 400, "value")
    assert (await fhir.post("/Patient?_format=json&_pretty=true", patient())).status_code == 201
