"""The story stops at the first answer that is not as it should be, and says which (docs/architecture.md)."""

import asyncio

import httpx
import pytest

from yiyang.story.stage import Stage, StoryError, resources

OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"code": "not-found", "diagnostics": "No such id", "expression": ["Patient.id"]}],
}


def test_a_step_is_told_with_method_path_status_and_time() -> None:
    told = _play(httpx.Response(200, json={"resourceType": "Patient"}))
    assert told[0].split()[:4] == ["1", "✓", "GET", "/fhir/Patient/1"]
    assert " 200 " in told[0]
    assert told[0].endswith("读 · reads")


def test_an_unexpected_status_ends_the_story_with_the_issues_of_the_answer() -> None:
    with pytest.raises(StoryError, match=r"GET /fhir/Patient/1: 404.*\n.*not-found: No such id Patient.id"):
        _play(httpx.Response(404, json=OUTCOME))


def test_an_answer_that_does_not_hold_what_it_should_ends_the_story() -> None:
    stage = Stage(httpx.AsyncClient(), "http://server/fhir", lambda _: None)
    with pytest.raises(StoryError, match="one patient"):
        stage.check(resources({"resourceType": "Bundle"}), "one patient")


def _play(answer: httpx.Response) -> list[str]:
    told: list[str] = []

    async def perform() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as http:
            await Stage(http, "http://server/fhir/", told.append).get("Patient/1", "读 · reads")

    asyncio.run(perform())
    return told
