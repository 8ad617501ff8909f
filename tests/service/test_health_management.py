"""The yearly health management of elders: four blocks, counted only when all are there: docs/adr/0055"""

from typing import Any
from uuid import uuid4

import pytest

from services.records.health_management import BLOCK, CHECK_UP, DOCUMENTS, blocks, is_due, managed
from tests.builders import coded, composition, known_patient, organization
from tests.house import Fhir, Json
from tests.matchers import assert_outcome

SAID: Json = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">已完成</div>'}
NOTHING: Json = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "notasked"}]}


class Clinic:
    """A clinic that manages the health of one elder."""

    def __init__(self, fhir: Fhir, elder: Json, author: str) -> None:
        self.fhir = fhir
        self.elder = f"Patient/{elder['id']}"
        self.author = author

    @classmethod
    async def opened(cls, fhir: Fhir, **changes: Any) -> "Clinic":
        own = Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"clinic-{uuid4().hex[:8]}")
        elder = await own.created(known_patient(**changes))
        return cls(own, elder, f"Organization/{(await own.created(organization()))['id']}")

    def check_up(self, *done: str, date: str = "2026-05-01", at: str = "final", **changes: Any) -> Json:
        sections = [{"code": coded(BLOCK, each), "text": SAID} for each in done]
        kind = coded(DOCUMENTS, CHECK_UP)
        made = {"type": kind, "date": date, "status": at, "section": sections} | changes
        return composition(self.elder, self.author, **{k: v for k, v in made.items() if v})

    async def told(self, query: str = "?year=2026", reader: Fhir | None = None) -> Json:
        answer = await (reader or self.fhir).get(f"/{self.elder}/$health-management{query}")
        assert answer.status_code == 200, answer.text
        told: Json = {}
        for each in answer.json()["parameter"]:
            parts = {p["name"]: next(v for k, v in p.items() if k != "name") for p in each.get("part", ())}
            if parts:
                told.setdefault("done", {})[parts["code"]] = parts["done"]
            else:
                told[each["name"]] = next(v for k, v in each.items() if k != "name")
        return told


@pytest.fixture
async def clinic(fhir: Fhir) -> Clinic:
    return await Clinic.opened(fhir)


async def test_without_a_check_up_all_four_blocks_are_missing(clinic: Clinic) -> None:
    told = await clinic.told()
    assert told["complete"] is False
    assert told["due"] is True
    assert told["done"] == dict.fromkeys(blocks(), False)
    assert "check-up" not in told


async def test_it_says_which_blocks_are_missing(clinic: Clinic) -> None:
    await clinic.fhir.created(clinic.check_up("lifestyle", "examination", at="preliminary"))
    told = await clinic.told()
    assert told["complete"] is False
    assert [code for code, done in told["done"].items() if not done] == ["tests", "guidance"]


async def test_four_blocks_are_complete_once_the_check_up_is_final(clinic: Clinic) -> None:
    made = await clinic.fhir.created(clinic.check_up(*blocks(), at="preliminary"))
    assert (await clinic.told())["complete"] is False
    await clinic.fhir.put(f"/Composition/{made['id']}", made | {"status": "final"})
    told = await clinic.told()
    assert told["complete"] is True
    assert told["check-up"]["reference"] == f"Composition/{made['id']}"


async def test_a_year_counts_by_itself(clinic: Clinic) -> None:
    await clinic.fhir.created(clinic.check_up(*blocks(), date="2025-12-31"))
    assert (await clinic.told("?year=2025"))["complete"] is True
    assert (await clinic.told())["complete"] is False


async def test_of_several_the_complete_one_counts(clinic: Clinic) -> None:
    whole = await clinic.fhir.created(clinic.check_up(*blocks(), date="2026-03-01"))
    await clinic.fhir.created(clinic.check_up("lifestyle", date="2026-09-01"))
    assert (await clinic.told())["check-up"]["reference"] == f"Composition/{whole['id']}"


async def test_a_block_that_says_nothing_is_not_listed(clinic: Clinic) -> None:
    empty = {"code": coded(BLOCK, "tests"), "emptyReason": NOTHING, "text": SAID}
    body = clinic.check_up("lifestyle")
    answer = await clinic.fhir.post("/Composition", body | {"section": [*body["section"], empty]})
    outcome = assert_outcome(answer, 422, "business-rule", "Composition.section[1]")
    assert "辅助检查" in outcome["issue"][0]["details"]["text"]
    draft = body | {"section": [*body["section"], empty], "status": "preliminary"}
    await clinic.fhir.created(draft)
    assert (await clinic.told())["done"]["tests"] is False


async def test_it_tells_no_more_than_the_caller_may_read(clinic: Clinic) -> None:
    await clinic.fhir.created(clinic.check_up(*blocks()))
    stranger = clinic.fhir.as_(organization="health-stranger")
    assert_outcome(await stranger.get(f"/{clinic.elder}/$health-management"), 404, "not-found")
    narrow = clinic.fhir.as_(scopes=("system/Patient.rs",))
    assert_outcome(await narrow.get(f"/{clinic.elder}/$health-management"), 403, "forbidden")
    assert_outcome(await clinic.fhir.get(f"/{clinic.elder}/$health-management?year=1900"), 400, "value")


def test_whoever_is_65_within_the_year_is_due() -> None:
    assert is_due("1961-12-31", 2026)
    assert not is_due("1962-01-01", 2026)
    assert is_due("1961", 2026)
    assert not is_due(None, 2026)


def test_other_documents_are_no_check_ups() -> None:
    assert managed(2026, [{"date": "2026-05-01", "status": "final"}]).composition is None
