"""Results, orders and referrals by HL7 v2 become FHIR (docs/v2.md): http://www.hl7.eu/HL7v2x/v251/std251/ch07.html"""

from typing import Any

from tests.house import Fhir
from tests.v2 import Elder, adt, elder, message, pid, send

Json = dict[str, Any]

OBR = "OBR|1|P77|{number}|24331-1^血脂^LN|||20261124083000|||||||||||||||20261124101500||LAB|{status}"
PULSE = "OBX|1|NM|8867-4^心率^LN||72|次/分|60-100|N|||F"


async def known(fhir: Fhir) -> Elder:
    one = elder()
    assert (await send(fhir, adt("A04", one))).code == "AA"
    return one


async def report_of(fhir: Fhir, number: str) -> tuple[Json, list[Json]]:
    """The report and its results, in its order."""
    path = f"/DiagnosticReport?identifier={number}&_include=DiagnosticReport:result"
    found = [each["resource"] for each in (await fhir.get(path)).json()["entry"]]
    by_name = {f"{each['resourceType']}/{each['id']}": each for each in found}
    report = next(each for each in found if each["resourceType"] == "DiagnosticReport")
    return report, [by_name[each["reference"]] for each in report["result"]]


def oru(one: Elder, number: str, *results: str, status: str = "F", **kwargs: Any) -> bytes:
    return message("ORU^R01", pid(one), OBR.format(number=number, status=status), *results, **kwargs)


async def test_results_keep_their_codes_and_get_units_of_ucum(fhir: Fhir) -> None:
    one = await known(fhir)
    local = r"OBX|2|NM|WBC01^白细胞计数^L||6.10|10\S\9/L|3.5-9.5||||F"
    text = "OBX|3|ST|99^镜检^L||未见异常||||||F"
    answer = await send(fhir, oru(one, "R2001", PULSE, local, text))
    assert (answer.code, answer.errors) == ("AA", []), answer.text
    report, (pulse, white, seen) = await report_of(fhir, "R2001")
    assert (report["status"], report["code"]["coding"][0]["system"]) == ("final", "http://loinc.org")
    assert pulse["valueQuantity"] == {
        "value": 72,
        "unit": "次/分",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    }
    assert pulse["category"][0]["coding"][0]["code"] == "vital-signs"
    assert pulse["effectiveDateTime"] == "2026-11-24T08:30:00+08:00"
    assert white["code"]["coding"] == [
        {"system": "https://yiyang.example/fhir/sid/v2/hospital/L", "code": "WBC01", "display": "白细胞计数"}
    ]
    assert (white["valueQuantity"]["code"], white["referenceRange"]) == ("10*9/L", [{"text": "3.5-9.5"}])
    assert seen["valueString"] == "未见异常"


async def test_a_number_keeps_its_digits(fhir: Fhir) -> None:
    one = await known(fhir)
    await send(fhir, oru(one, "R2002", "OBX|1|NM|2160-0^肌酐^LN||61.00|umol/L|||||F"))
    _, (result,) = await report_of(fhir, "R2002")
    stored = await fhir.get(f"/Observation/{result['id']}")
    assert '"value":61.00' in stored.text


async def test_a_corrected_result_is_the_same_one(fhir: Fhir) -> None:
    one = await known(fhir)
    glucose = "OBX|2|NM|14771-0^空腹血糖^LN||7.2|mmol/L|||||F"
    await send(fhir, oru(one, "R2003", PULSE, glucose))
    _, before = await report_of(fhir, "R2003")
    corrected = "OBX|1|NM|14771-0^空腹血糖^LN||6.2|mmol/L|||||C"
    answer = await send(fhir, oru(one, "R2003", corrected, status="C"))
    assert answer.code == "AA", answer.text
    report, after = await report_of(fhir, "R2003")
    assert report["status"] == "corrected"
    assert [each["id"] for each in after] == [each["id"] for each in before], "what was not corrected is still there"
    assert (after[1]["status"], after[1]["valueQuantity"]["value"]) == ("corrected", 6.2)


async def test_a_unit_that_nobody_can_compare_is_kept_as_text_and_told(fhir: Fhir) -> None:
    one = await known(fhir)
    answer = await send(fhir, oru(one, "R2004", "OBX|1|NM|X1^尿蛋白^L||2|加号|||||F"))
    assert (answer.code, answer.errors) == ("AA", [("OBX-6", "103", "W")])
    _, (result,) = await report_of(fhir, "R2004")
    assert result["valueQuantity"] == {"value": 2, "unit": "加号"}


async def test_structured_coded_and_missing_values(fhir: Fhir) -> None:
    one = await known(fhir)
    rows = (
        "OBX|1|SN|T1^肌钙蛋白^L||<^0.01|ng/ml|||||F",
        "OBX|2|SN|T2^白细胞^L||^0^-^5|/[HPF]|||||F",
        "OBX|3|CWE|883-9^ABO 血型^LN||A^A 型^L||||||F",
        "OBX|4|NM|T4^钾^L||||||||F",
        "OBX|5|TS|T5^采样时间^L||202611240830||||||F",
    )
    answer = await send(fhir, oru(one, "R2005", *rows))
    assert answer.code == "AA", answer.text
    _, found = await report_of(fhir, "R2005")
    assert (found[0]["valueQuantity"]["comparator"], found[0]["valueQuantity"]["code"]) == ("<", "ng/mL")
    assert (found[1]["valueRange"]["low"]["value"], found[1]["valueRange"]["high"]["value"]) == (0, 5)
    assert found[2]["valueCodeableConcept"]["coding"][0]["code"] == "A"
    assert found[3]["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert found[4]["valueDateTime"] == "2026-11-24T08:30:00+08:00"


async def test_results_of_somebody_unknown_are_refused_at_pid_3(fhir: Fhir) -> None:
    answer = await send(fhir, oru(elder(), "R2006", PULSE))
    assert (answer.code, answer.errors) == ("AE", [("PID-3", "204", "E")])


async def test_an_order_is_placed_changed_and_cancelled(fhir: Fhir) -> None:
    one = await known(fhir)

    def orm(control: str, code: str = "24331-1^血脂^LN") -> bytes:
        return message(
            "ORM^O01", pid(one), f"ORC|{control}|P3001||||||||||1001^李^卫国", f"OBR|1|P3001||{code}|R||||||||||||||||||||||||||高血压复查"
        )  # fmt: skip

    assert (await send(fhir, orm("NW"))).code == "AA"
    found = (await fhir.get("/ServiceRequest?identifier=P3001")).json()["entry"]
    assert len(found) == 1
    order = found[0]["resource"]
    assert (order["status"], order["intent"], order["requester"]["display"]) == ("active", "order", "李卫国")
    assert (await send(fhir, orm("XO", "2160-0^肌酐^LN"))).code == "AA"
    assert (await send(fhir, orm("CA", "2160-0^肌酐^LN"))).code == "AA"
    order = (await fhir.get(f"/ServiceRequest/{order['id']}")).json()
    assert (order["status"], order["code"]["coding"][0]["code"]) == ("revoked", "2160-0")


async def test_the_end_of_an_unknown_order_names_its_number(fhir: Fhir) -> None:
    one = await known(fhir)
    answer = await send(fhir, message("ORM^O01", pid(one), "ORC|CA|P3999", "OBR|1|P3999||2160-0^肌酐^LN"))
    assert (answer.code, answer.errors) == ("AE", [("ORC-2", "204", "E")])


async def test_a_referral_is_a_draft_that_names_what_it_lacks(fhir: Fhir) -> None:
    one = await known(fhir)
    referral = message("REF^I12", "RF1||U|心内科|||X20261124000001|20261124|||胸闷待查^胸闷待查", pid(one))
    answer = await send(fhir, referral)
    assert answer.code == "AA", answer.text
    assert {severity for *_, severity in answer.errors} == {"W"}
    assert answer.places == ["RF1-5", "PRD-7", "RF1", "RF1", "RF1"]
    (found,) = (await fhir.get("/ServiceRequest?identifier=X20261124000001")).json()["entry"]
    request = found["resource"]
    assert (request["status"], request["priority"]) == ("draft", "urgent")
    assert request["category"][0]["coding"][0]["code"] == "referral"
    assert request["reasonCode"][0]["text"] == "胸闷待查"
