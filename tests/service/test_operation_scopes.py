"""What an operation needs of the scopes is asked of whoever invokes it, whatever way: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html"""

import pytest

from tests.builders import batch, entry
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import Scene

READING = ("system/*.rs",)


@pytest.mark.parametrize(
    "path",
    [
        "Task/{task}/$receive",
        "Patient/$merge",
        "Patient/$register",
        "DetectedIssue/1/$acknowledge",
        "DetectedIssue/1/$resolve",
    ],
)
async def test_who_may_only_read_invokes_nothing_that_changes(fhir: Fhir, path: str) -> None:
    scene = await Scene.set(fhir)
    task = await scene.submitted()
    there = path.format(task=task["id"])
    reader = scene.fulfiller.as_(scopes=READING)
    assert_outcome(await reader.post(f"/{there}", {"resourceType": "Parameters"}), 403, "forbidden")
    answer = await reader.post("/", batch(entry("POST", there, {"resourceType": "Parameters"})))
    assert [each["response"]["status"] for each in answer.json()["entry"]] == ["403"]
    assert (await scene.current(task))["meta"]["versionId"] == task["meta"]["versionId"]
