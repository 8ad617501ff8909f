"""The official examples of R4 are accepted and come back unaltered: http://hl7.org/fhir/R4/downloads.html"""

from pathlib import Path
from typing import Final

import pytest

from tests.builders import LOINC, coded, observation
from tests.filled import filled
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.minimal import json_of, minimal
from tests.unaltered import content, parsed

OFFICIAL: Final = sorted((Path(__file__).parents[3] / "shared" / "data" / "r4-examples").glob("*.json"))
NOT_VALID: Final = {  # name: what R4 requires and the example does not have
    "Questionnaire-qs1": ("required", "Questionnaire.item[0].item[0].linkId"),
}
WRITTEN_BY_HAND: Final = rb"""{
  "resourceType" : "Observation", "valueQuantity" : { "value" : 1.50, "unit": "mmol\/L" },
  "id": "sent", "meta": {"versionId": "7", "tag": [{"code": "b"}, {"code": "a"}], "lastUpdated": "2001-01-01T00:00:00Z"},
  "code" : { "text" : "\u8840\u7cd6 \"glucose\"" }, "status":"final",
  "effectiveDateTime" : "2024-05-01T10:00:00.120+08:00", "note": [ { "text" : "a\tb" } ],
  "component":[{"code":{"text":"x"},"valueQuantity":{"value":-1.0E+2}},{"code":{"text":"y"},"valueQuantity":{"value":0.10}}]
}"""


async def assert_unaltered(fhir: Fhir, resource_type: str, body: bytes) -> None:
    created = await fhir.post(f"/{resource_type}", body)
    assert created.status_code == 201, created.text
    read = await fhir.get(f"/{resource_type}/{created.json()['id']}")
    assert content(parsed(read.content)) == content(parsed(body))


@pytest.mark.skipif(not OFFICIAL, reason="the official examples are not here")
@pytest.mark.parametrize("path", OFFICIAL, ids=[path.stem for path in OFFICIAL])
async def test_an_official_example_comes_back_unaltered(fhir: Fhir, path: Path) -> None:
    name = path.stem.partition("-")[0]
    if path.stem in NOT_VALID:
        code, expression = NOT_VALID[path.stem]
        assert_outcome(await fhir.post(f"/{name}", path.read_bytes()), 422, code, expression)
    else:
        await assert_unaltered(fhir, name, path.read_bytes())


async def test_what_was_written_by_hand_comes_back_unaltered(fhir: Fhir) -> None:
    await assert_unaltered(fhir, "Observation", WRITTEN_BY_HAND)


@pytest.mark.parametrize("name", ["Patient", "Questionnaire", "CarePlan", "MeasureReport", "Bundle", "Provenance"])
async def test_what_was_built_comes_back_unaltered(fhir: Fhir, name: str) -> None:
    for resource in filled(name):
        await assert_unaltered(fhir, name, json_of(resource))


async def test_digits_deep_inside_come_back_unaltered(fhir: Fhir) -> None:
    contained = minimal("Observation", id="o", valueQuantity={"value": 72}, code=coded(LOINC, "8867-4"))
    body = json_of(observation(contained=[contained], hasMember=[{"reference": "#o"}]))
    await assert_unaltered(fhir, "Observation", body.replace(b"72", b"72.0000"))
