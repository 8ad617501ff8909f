"""One identifier system under many names: the body stays as it was sent, and is found by any of them (docs/adr/0024)."""

from typing import Any

import pytest

from services.kit.identifiers import canonical_id_number
from tests.builders import ID_NUMBER, known_patient
from tests.house import Fhir

Json = dict[str, Any]

HL7_CHINA = "urn:oid:2.16.840.1.113883.2.23.1.19.1"
CN_CORE = "http://NamingSystem.hl7fhir.cn/identityDocument"


async def ids(fhir: Fhir, identifier: str) -> list[str]:
    form = f"identifier={identifier}".encode()
    answer = await fhir.call("POST", "/Patient/_search", form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200, answer.text
    return [each["resource"]["id"] for each in answer.json().get("entry", ())]


@pytest.mark.parametrize("sent", [ID_NUMBER, HL7_CHINA, CN_CORE, "sfzh"])
async def test_an_elder_is_found_under_every_alias_and_read_as_sent(fhir: Fhir, sent: str) -> None:
    elder = known_patient()
    elder["identifier"][0]["system"] = sent
    stored = await fhir.created(elder)
    assert stored["identifier"] == elder["identifier"]
    number = elder["identifier"][0]["value"]
    for system in (ID_NUMBER, HL7_CHINA, CN_CORE, "2.16.156.10011.1.3"):
        assert await ids(fhir, f"{system}|{number}") == [stored["id"]]
    assert await ids(fhir, f"{ID_NUMBER}|{number[:-1]}") == []


async def test_a_number_of_fifteen_digits_is_found_by_its_eighteen(fhir: Fhir) -> None:
    stored = await fhir.created(known_patient(identifier=[{"system": ID_NUMBER, "value": "999000400101123"}]))
    assert await ids(fhir, f"{ID_NUMBER}|999000400101123") == [stored["id"]]
    assert await ids(fhir, f"{HL7_CHINA}|{canonical_id_number('999000400101123')}") == [stored["id"]]
