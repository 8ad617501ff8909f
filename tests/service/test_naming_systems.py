"""The identifier systems are published as NamingSystems, which the platform alone writes: http://hl7.org/fhir/R4/namingsystem.html"""

import pytest

from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.published import published

__all__ = ["published"]


@pytest.mark.parametrize("name", ["2.16.156.10011.1.3", "2.16.840.1.113883.2.23.1.19.1", "sfzh"])
async def test_a_system_is_found_by_each_of_its_names(fhir: Fhir, published: None, name: str) -> None:
    found = (await fhir.get(f"/NamingSystem?value={name}")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["yiyang-id-card"]


async def test_nobody_else_writes_one(fhir: Fhir, published: None) -> None:
    there = (await fhir.get("/NamingSystem/yiyang-id-card")).json()
    assert_outcome(await fhir.put("/NamingSystem/yiyang-id-card", {**there, "name": "Other"}), 422, "business-rule")
    assert_outcome(await fhir.delete("/NamingSystem/yiyang-id-card"), 422, "business-rule")
    own = {**there, "uniqueId": [{"type": "uri", "value": "http://clinic.example/mrn"}]}
    assert (await fhir.post("/NamingSystem", {k: v for k, v in own.items() if k != "id"})).status_code == 201
