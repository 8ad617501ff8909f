"""The Questionnaires of the instruments are there when the service has started, and stay as their files say (docs/instruments.md)."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from services.care.app import create_app
from services.care.quality.surveys import load_surveys
from services.kit.database import Database, role_of
from services.kit.settings import ServiceSettings
from tests.assessments import INSTRUMENTS, assessment
from tests.builders import known_patient
from tests.house import BASE, KEY, Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]
URL = "https://yiyang.example/fhir/Questionnaire/gbt42195"


@pytest.fixture
async def forms(fhir: Fhir, database_url: str) -> list[Json]:
    """All that are there once a care service has lived."""
    settings = ServiceSettings(database_url=database_url, internal_key=SecretStr(KEY), public_base=BASE)
    database = Database(database_url, role=role_of("care"))
    app = create_app(settings, database=database)
    async with app.router.lifespan_context(app):
        async with asyncio.timeout(20):
            while len(found := await published(fhir)) < len(INSTRUMENTS) + len(load_surveys()):
                await asyncio.sleep(0.05)
    await database.close()
    return found


async def published(fhir: Fhir) -> list[Json]:
    bundle = (await fhir.get("/Questionnaire?url:below=https://yiyang.example/fhir/Questionnaire&_count=100")).json()
    return [entry["resource"] for entry in bundle.get("entry", ())]


async def test_they_are_found_by_url_and_read_by_name(fhir: Fhir, forms: list[Json]) -> None:
    assert {each["url"] for each in forms} == {each.url for each in INSTRUMENTS.values()} | {*load_surveys()}
    form = (await fhir.get("/Questionnaire/gbt42195")).json()
    found = (await fhir.get(f"/Questionnaire?url={URL}&version=2022")).json()["entry"]
    assert [entry["resource"]["id"] for entry in found] == [form["id"]]
    assert (await fhir.get(f"/Questionnaire/{form['id']}/$validate")).status_code == 200


async def test_a_service_that_starts_again_writes_none_anew(fhir: Fhir, forms: list[Json]) -> None:
    assert {each["meta"]["versionId"] for each in forms} == {"1"}


async def test_a_response_includes_its_form(fhir: Fhir, forms: list[Json]) -> None:
    elder = await fhir.created(known_patient())
    response = await fhir.created(assessment("self-care", f"Patient/{elder['id']}", {"*": 0}))
    query = f"_id={response['id']}&_include=QuestionnaireResponse:questionnaire"
    bundle = (await fhir.get(f"/QuestionnaireResponse?{query}")).json()
    assert [entry["resource"].get("url") for entry in bundle["entry"]][1:] == [INSTRUMENTS["self-care"].url]


async def test_nobody_else_writes_one(fhir: Fhir, forms: list[Json]) -> None:
    form = (await fhir.get("/Questionnaire/gbt42195")).json()
    for answer in (
        await fhir.put("/Questionnaire/gbt42195", {**form, "title": "改过的"}),
        await fhir.put("/Questionnaire/gbt42195", {**form, "url": "http://a.example/other"}),
        await fhir.post("/Questionnaire", form),
        await fhir.delete("/Questionnaire/gbt42195"),
    ):
        assert_outcome(answer, 422, "business-rule", "Questionnaire")
    own = {"resourceType": "Questionnaire", "url": "http://a.example/own", "status": "active"}
    assert (await fhir.post("/Questionnaire", own)).status_code == 201
