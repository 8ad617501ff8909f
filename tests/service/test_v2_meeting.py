"""Messages about one thing that meet, or come late: none of them is lost, and none undoes what is newer (docs/adr/0043)."""

import asyncio

from tests.house import Fhir
from tests.service.test_v2_results import known, oru, report_of
from tests.v2 import adt, elder, message, pid, pv1, send


async def test_four_messages_at_once_for_one_report_lose_no_result(fhir: Fhir) -> None:
    one = await known(fhir)
    assert (await send(fhir, oru(one, "R5001", "OBX|1|NM|T0^钠^L||140|mmol/L|||||F"))).code == "AA"
    sent = [oru(one, "R5001", f"OBX|1|NM|T{n}^项目^L||{n}|mmol/L|||||F") for n in range(1, 5)]
    answers = await asyncio.gather(*(send(fhir, each) for each in sent))
    assert [each.code for each in answers] == ["AA"] * 4, [each.text for each in answers]
    _, results = await report_of(fhir, "R5001")
    assert {each["code"]["coding"][0]["code"] for each in results} == {"T0", "T1", "T2", "T3", "T4"}


async def test_four_messages_at_once_that_begin_a_report_lose_no_result(fhir: Fhir) -> None:
    one = await known(fhir)
    sent = [oru(one, "R5002", f"OBX|1|NM|T{n}^项目^L||{n}|mmol/L|||||F") for n in range(4)]
    answers = await asyncio.gather(*(send(fhir, each) for each in sent))
    assert [each.code for each in answers] == ["AA"] * 4, [each.text for each in answers]
    _, results = await report_of(fhir, "R5002")
    assert {each["code"]["coding"][0]["code"] for each in results} == {"T0", "T1", "T2", "T3"}


async def test_a_transfer_beside_a_discharge_does_not_undo_it(fhir: Fhir) -> None:
    one = await known(fhir)
    for n in range(5):
        visit = f"V500{n}"
        assert (await send(fhir, adt("A01", one, pv1(visit)))).code == "AA"
        moved = adt("A02", one, pv1(visit, "康复科^201^3"), at="20261125090000")
        gone = adt("A03", one, pv1(visit, "康复科^201^3"), at="20261130100000")
        answers = await asyncio.gather(send(fhir, moved), send(fhir, gone))
        assert [each.code for each in answers] == ["AA", "AA"], [each.text for each in answers]
        (found,) = (await fhir.get(f"/Encounter?identifier={visit}")).json()["entry"]
        assert (found["resource"]["status"], found["resource"]["period"].get("end")) == (
            "finished",
            "2026-11-30T10:00:00+08:00",
        )


async def test_changes_of_an_order_that_meet_do_not_undo_its_end(fhir: Fhir) -> None:
    one = await known(fhir)

    def orm(control: str, number: str) -> bytes:
        return message("ORM^O01", pid(one), f"ORC|{control}|{number}", f"OBR|1|{number}||2160-0^肌酐^LN|R")

    for n in range(5):
        number = f"P500{n}"
        assert (await send(fhir, orm("NW", number))).code == "AA"
        answers = await asyncio.gather(*(send(fhir, orm(each, number)) for each in ("XO", "HD", "CA")))
        assert [each.code for each in answers] == ["AA"] * 3, [each.text for each in answers]
        (found,) = (await fhir.get(f"/ServiceRequest?identifier={number}")).json()["entry"]
        assert found["resource"]["status"] == "revoked"


GLUCOSE = "OBX|1|NM|14771-0^空腹血糖^LN||{value}|mmol/L|||||{status}"


async def glucose_after(fhir: Fhir, number: str, *states: tuple[str, str, str]) -> tuple[str, str, float, list[str]]:
    """Status of the report and of its result, its value, and the places of the last warnings; a state is status, OBR-22, value."""
    one = await known(fhir)
    for status, issued, value in states:
        content = oru(one, number, GLUCOSE.format(value=value, status=status), status=status)
        answer = await send(fhir, content.replace(b"20261124101500", issued.encode()))
        assert answer.code == "AA", answer.text
    report, (result,) = await report_of(fhir, number)
    assert all(severity == "W" for _, _, severity in answer.errors)
    return report["status"], result["status"], result["valueQuantity"]["value"], answer.places


async def test_a_preliminary_result_that_comes_late_does_not_undo_the_final_one(fhir: Fhir) -> None:
    states = ("F", "20261124101500", "6.2"), ("P", "20261124110000", "7.2")
    assert await glucose_after(fhir, "R5101", *states) == ("final", "final", 6.2, ["OBX-3", "OBR-3"])


async def test_of_two_final_results_the_one_that_was_issued_later_stays(fhir: Fhir) -> None:
    older, newer = ("F", "20261124101500", "7.2"), ("F", "20261124110000", "6.2")
    assert (await glucose_after(fhir, "R5102", newer, older))[2] == 6.2
    assert (await glucose_after(fhir, "R5103", older, newer))[2:] == (6.2, [])


async def test_a_final_result_does_not_undo_its_correction(fhir: Fhir) -> None:
    states = ("C", "20261124110000", "6.2"), ("F", "20261124101500", "7.2")
    assert (await glucose_after(fhir, "R5104", *states))[:3] == ("corrected", "corrected", 6.2)
    same = ("C", "20261124101500", "6.2"), ("F", "20261124101500", "7.2")
    assert (await glucose_after(fhir, "R5105", *same))[:3] == ("corrected", "corrected", 6.2)


async def test_what_is_of_the_same_time_goes_from_preliminary_to_final_to_corrected(fhir: Fhir) -> None:
    states = ("P", "20261124101500", "5.0"), ("F", "20261124101500", "7.2"), ("C", "20261124101500", "6.2")
    assert await glucose_after(fhir, "R5106", *states) == ("corrected", "corrected", 6.2, [])


async def test_a_late_message_still_adds_the_result_that_nobody_told(fhir: Fhir) -> None:
    one = await known(fhir)
    await send(fhir, oru(one, "R5107", GLUCOSE.format(value="6.2", status="F")))
    late = oru(one, "R5107", "OBX|1|NM|2823-3^钾^LN||4.1|mmol/L|||||P", status="P")
    assert (await send(fhir, late)).code == "AA"
    report, results = await report_of(fhir, "R5107")
    assert (report["status"], [each["status"] for each in results]) == ("final", ["final", "preliminary"])


async def test_a_refused_message_that_comes_again_after_newer_ones_undoes_nothing(fhir: Fhir) -> None:
    """As a replay sends it (`yiyang v2 replay`)."""
    one = elder()
    first = oru(one, "R5108", GLUCOSE.format(value="7.2", status="P"), status="P")
    assert (await send(fhir, first)).code == "AE"
    assert (await send(fhir, adt("A04", one))).code == "AA"
    await send(fhir, oru(one, "R5108", GLUCOSE.format(value="6.2", status="F")))
    assert (await send(fhir, first)).code == "AA"
    report, (result,) = await report_of(fhir, "R5108")
    assert (report["status"], result["status"], result["valueQuantity"]["value"]) == ("final", "final", 6.2)


async def test_an_order_that_was_ended_is_not_opened_by_what_comes_late(fhir: Fhir) -> None:
    one = await known(fhir)

    def orm(control: str, code: str, at: str) -> bytes:
        order = f"ORC|{control}|P5100|||||||{at}"
        return message("ORM^O01", pid(one), order, f"OBR|1|P5100||{code}^项目^L|R")

    async def sent(*about: str) -> tuple[str, str, list[str]]:
        answer = await send(fhir, orm(*about))
        assert answer.code == "AA", answer.text
        (found,) = (await fhir.get("/ServiceRequest?identifier=P5100")).json()["entry"]
        order = found["resource"]
        return order["status"], order["code"]["coding"][0]["code"], answer.places

    assert await sent("NW", "T1", "20261124080000") == ("active", "T1", [])
    assert await sent("XO", "T2", "20261124090000") == ("active", "T2", [])
    assert await sent("NW", "T1", "20261124080000") == ("active", "T2", ["ORC-2"])
    assert await sent("DC", "T2", "20261124100000") == ("revoked", "T2", [])
    assert await sent("NW", "T1", "20261124080000") == ("revoked", "T2", ["ORC-2"])
    assert await sent("XO", "T3", "20261124110000") == ("revoked", "T2", ["ORC-2"])


async def test_a_referral_that_is_told_four_times_at_once_is_one_draft(fhir: Fhir) -> None:
    one = await known(fhir)
    sent = [
        message("REF^I12", "RF1||U|心内科|||X20261124005001|20261124|||胸闷待查^胸闷待查", pid(one)) for _ in range(4)
    ]
    answers = await asyncio.gather(*(send(fhir, each) for each in sent))
    assert [each.code for each in answers] == ["AA"] * 4, [each.text for each in answers]
    assert len((await fhir.get("/ServiceRequest?identifier=X20261124005001")).json()["entry"]) == 1
