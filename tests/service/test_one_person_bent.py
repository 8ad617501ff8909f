"""A Patient that is none is refused in a transaction before anybody looks for whose it is (docs/adr/0032)."""

from typing import Any

import pytest

from tests.builders import entry, transaction
from tests.house import Fhir


@pytest.mark.parametrize("bent", [{"resourceType": ["Patient"]}, {"identifier": "1"}, {"name": {"text": ["张"]}}])
async def test_what_is_no_patient_is_nobody(fhir: Fhir, bent: dict[str, Any]) -> None:
    body = {"resourceType": "Patient", "active": True} | bent
    answer = await fhir.post("/", transaction(entry("POST", "Patient", body)))
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
