"""The types of documents of WS/T 500 and WS/T 483 are published as codes: http://hl7.org/fhir/R4/codesystem.html"""

import pytest

from services.records.document_types import document_types
from tests.builders import known_patient
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.published import published

__all__ = ["published"]

WS_500 = "urn:oid:2.16.156.10011.2.4"
WS_483 = "https://yiyang.example/fhir/CodeSystem/ws-483"
KINDS = "https://yiyang.example/fhir/ValueSet/document-type"


@pytest.mark.parametrize(
    ("system", "code", "display", "template"),
    [
        (WS_500, "C0001", "病历概要", "2.16.156.10011.2.1.1.21"),
        (WS_500, "C0053", "出院小结", "2.16.156.10011.2.1.1.73"),
        (WS_483, "483.16", "成人健康体检", "2.16.156.10011.2.1.1.16"),
        (WS_483, "483.20", "转诊（院）记录", "2.16.156.10011.2.1.1.20"),
    ],
)
async def test_each_document_has_a_code_and_the_template_of_its_cda(
    fhir: Fhir, system: str, code: str, display: str, template: str
) -> None:
    answer = (await fhir.get(f"/CodeSystem/$lookup?system={system}&code={code}&property=template")).json()
    said = {p["name"]: p for p in answer["parameter"]}
    assert said["display"]["valueString"] == display
    assert template in str(said["property"])


@pytest.mark.parametrize("kind", sorted(document_types()))
async def test_they_can_be_found_and_read(fhir: Fhir, published: None, kind: str) -> None:
    for each in document_types()[kind]:
        found = (await fhir.get(f"/{kind}?url={each['url']}")).json()
        assert [entry["resource"]["id"] for entry in found["entry"]] == [each["id"]]


async def test_nobody_else_writes_them(fhir: Fhir, published: None) -> None:
    there = (await fhir.get("/CodeSystem/ws-483")).json()
    assert_outcome(await fhir.put("/CodeSystem/ws-483", {**there, "name": "Other"}), 422, "business-rule")
    assert_outcome(await fhir.delete("/ValueSet/document-type"), 422, "business-rule")
    own = {"resourceType": "CodeSystem", "status": "active", "content": "complete", "url": "urn:own"}
    await fhir.created(own)


async def test_all_types_are_in_one_value_set(fhir: Fhir) -> None:
    expansion = (await fhir.get(f"/ValueSet/$expand?url={KINDS}")).json()["expansion"]
    codes = {each["code"] for each in expansion["contains"]}
    assert {"C0001", "C0049", "483.1", "483.20", "57133-1", "60591-5"} <= codes


async def test_the_referral_record_is_mapped_to_loinc(fhir: Fhir) -> None:
    url = "https://yiyang.example/fhir/ConceptMap/ws-483-loinc"
    answer = (await fhir.get(f"/ConceptMap/$translate?url={url}&system={WS_483}&code=483.20")).json()
    assert "57133-1" in str(answer)


async def test_documents_are_found_by_their_type(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": WS_500, "code": "C0053"}]},
        "subject": {"reference": f"Patient/{elder['id']}"},
        "content": [{"attachment": {"url": "https://hospital.example/cda/1"}}],
    }
    made = await fhir.created(document)
    subject = f"patient=Patient/{elder['id']}"
    for query in (f"type={WS_500}|C0053", f"type:in={KINDS}"):
        found = (await fhir.get(f"/DocumentReference?{subject}&{query}")).json()
        assert [entry["resource"]["id"] for entry in found["entry"]] == [made["id"]], query
