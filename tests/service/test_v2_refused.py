"""What is wrong with a message is told by segment and field, in Chinese and English, and nothing is lost (docs/v2.md)."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from services.kit.settings import ServiceSettings
from tests.house import BASE, HIS, KEY, Fhir, in_one_process
from tests.matchers import assert_outcome
from tests.v2 import GBK, MEDIA, Elder, Told, adt, all_told, control, elder, message, pid, posted, pv1, send, told

PULSE = "OBX|1|NM|8867-4^心率^LN||72|次/分|60-100|N|||F"


async def row_of(url: str, number: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchrow("SELECT * FROM fhir.v2_message WHERE control = $1", number)
    finally:
        await connection.close()


def assert_refused(answer: Told, code: str, place: str, table_0357: str) -> None:
    assert (answer.code, answer.errors[0]) == (code, (place, table_0357, "E")), answer.text
    assert any("一" <= character <= "鿿" for character in answer.text)


# ---- what is no message, or none that is taken -----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"PID|1||M1\r", b"MSH", b"MSH|", b"\x00\xff", "你好".encode(), b"", b"\r\r"])
async def test_what_does_not_begin_with_msh_is_rejected(fhir: Fhir, content: bytes) -> None:
    answer = told(await posted(fhir, content))
    assert_refused(answer, "AR", "MSH", "100")


async def test_an_unknown_event_is_rejected_at_msh_9(fhir: Fhir) -> None:
    answer = await send(fhir, adt("A99", elder()))
    assert_refused(answer, "AR", "MSH-9", "201")


async def test_a_message_without_a_control_id_is_rejected(fhir: Fhir) -> None:
    answer = await send(fhir, adt("A04", elder(), number=" "))
    assert_refused(answer, "AR", "MSH-10", "101")


# ---- what is missing or wrong in it ----------------------------------------------------------------------------------------


async def test_a_truncated_message_names_the_segment_that_is_missing(fhir: Fhir) -> None:
    whole = adt("A01", elder(), pv1("V4001"))
    answer = await send(fhir, whole[: whole.index(b"PV1")])
    assert_refused(answer, "AE", "PV1", "100")


async def test_a_segment_that_breaks_off_names_the_field(fhir: Fhir) -> None:
    whole = adt("A01", elder(), pv1("V4002"))
    answer = await send(fhir, whole[: whole.index(b"V4002")])
    assert_refused(answer, "AE", "PV1-19", "101")


@pytest.mark.parametrize("born", ["19440230", "1944-03-12", "三月", "194403121"])
async def test_a_bad_date_names_its_field(fhir: Fhir, born: str) -> None:
    answer = await send(fhir, adt("A04", elder(born=born)))
    assert_refused(answer, "AE", "PID-7", "102")


async def test_every_fault_of_a_segment_is_told_at_once(fhir: Fhir) -> None:
    one = elder(born="19441345")
    answer = await send(fhir, message("ADT^A04", "EVN|A04|20261124", pid(one, gender="X").replace("王^秀英", "")))
    assert sorted(answer.places) == ["PID-5", "PID-7", "PID-8"]


async def test_what_fhir_refuses_is_told_at_the_field_it_came_from(fhir: Fhir) -> None:
    """A 身份证号 whose check character is wrong."""
    one = elder()
    wrong = one.national[:-1] + ("0" if one.national[-1] != "0" else "1")
    answer = await send(fhir, adt("A04", one._replace(national=wrong)))
    assert_refused(answer, "AE", "PID-3", "102")
    assert wrong not in answer.text


async def test_a_bad_number_names_the_result(fhir: Fhir) -> None:
    one = elder()
    await send(fhir, adt("A04", one))
    rows = ("OBR|1||R4003|24331-1^血脂^LN", PULSE, "OBX|2|NM|2160-0^肌酐^LN||约 60|umol/L|||||F")
    answer = await send(fhir, message("ORU^R01", pid(one), *rows))
    assert_refused(answer, "AE", "OBX[2]-5", "102")
    assert (await fhir.get("/DiagnosticReport?identifier=R4003")).json().get("entry", []) == []


@pytest.mark.parametrize("event", ["A01", "R01", "O01"])
async def test_a_number_of_another_patients_is_never_overwritten(fhir: Fhir, event: str) -> None:
    one, other = elder(), elder()

    def sent(of: Elder) -> bytes:
        if event == "A01":
            return adt("A01", of, pv1("V4090"))
        if event == "R01":
            return message("ORU^R01", pid(of), "OBR|1||R4090|24331-1^血脂^LN", PULSE)
        return message("ORM^O01", pid(of), "ORC|NW|P4090", "OBR|1|P4090||24331-1^血脂^LN")

    for each in (one, other):
        await send(fhir, adt("A04", each))
    assert (await send(fhir, sent(one))).code == "AA"
    answer = await send(fhir, sent(other))
    assert (answer.code, answer.errors[0][1]) == ("AE", "205"), answer.text


# ---- characters --------------------------------------------------------------------------------------------------------------


async def test_gbk_is_read_and_answered_in_gbk(fhir: Fhir) -> None:
    one = elder(name="张^鑫")
    answer = await send(fhir, adt("A04", one, charset=GBK), codec="gb18030")
    assert answer.code == "AA", answer.text
    found = (await fhir.get(f"/Patient?identifier={one.record}")).json()["entry"][0]["resource"]
    assert found["name"][0]["text"] == "张鑫"
    bad = await send(fhir, adt("A04", elder(name="张^鑫", born="x"), charset=GBK), codec="gb18030")
    assert "时间格式" in bad.text


async def test_gbk_that_says_nothing_of_it_names_the_first_field(fhir: Fhir) -> None:
    content = adt("A04", elder(name="张^鑫"), charset=GBK).replace(b"GB 18030-2000", b"")
    assert_refused(told(await posted(fhir, content)), "AE", "PID-5", "102")


async def test_utf8_that_says_it_is_gbk_is_told(fhir: Fhir) -> None:
    content = adt("A04", elder(name="张^鑫")).replace(b"UNICODE UTF-8", b"GB 18030-2000")
    assert_refused(told(await posted(fhir, content), "gb18030"), "AE", "PID-5", "102")


async def test_an_unknown_charset_is_rejected_at_msh_18(fhir: Fhir) -> None:
    content = adt("A04", elder()).replace(b"UNICODE UTF-8", b"BIG-5")
    assert_refused(told(await posted(fhir, content)), "AR", "MSH-18", "102")


# ---- receipts ------------------------------------------------------------------------------------------------------------------


async def test_the_same_message_again_gets_the_same_answer_and_changes_nothing(fhir: Fhir) -> None:
    one = elder()
    content = adt("A01", one, pv1("V4004"))
    first, again = await posted(fhir, content), await posted(fhir, content)
    assert again == first
    (found,) = (await fhir.get("/Encounter?identifier=V4004")).json()["entry"]
    assert found["resource"]["meta"]["versionId"] == "1"


async def test_another_message_under_a_used_control_id_is_rejected(fhir: Fhir) -> None:
    number = control()
    assert (await send(fhir, adt("A04", elder(), number=number))).code == "AA"
    assert_refused(await send(fhir, adt("A04", elder(), number=number)), "AR", "MSH-10", "205")


async def test_a_control_id_is_its_senders_own(fhir: Fhir) -> None:
    number = control()
    assert (await send(fhir, adt("A04", elder(), number=number))).code == "AA"
    other = fhir.as_(organization="clinic", client="clinic-his")
    assert (await send(other, adt("A04", elder(), number=number))).code == "AA"


async def test_what_was_refused_is_stored_and_taken_when_it_comes_again(fhir: Fhir, database_url: str) -> None:
    one, number = elder(), control()
    results = message("ORU^R01", pid(one), "OBR|1||R4005|24331-1^血脂^LN", PULSE, number=number)
    assert (await send(fhir, results)).code == "AE"
    kept = await row_of(database_url, number)
    assert (bytes(kept["content"]), kept["code"], kept["attempts"]) == (results.rstrip(b"\r"), "AE", 1)
    assert json.loads(kept["faults"])[0]["place"] == "PID-3"
    await send(fhir, adt("A04", one))
    assert (await send(fhir, results)).code == "AA"
    kept = await row_of(database_url, number)
    assert (kept["code"], kept["attempts"]) == ("AA", 2)
    assert any(name.startswith("DiagnosticReport/") for name in kept["names"])


async def test_of_a_batch_each_message_stands_for_itself(fhir: Fhir) -> None:
    known, unknown, third = elder(), elder(), elder()
    rows = ("OBR|1||R4006|24331-1^血脂^LN", PULSE)
    content = b"\r".join(
        [
            rb"FHS|^~\&|HIS",
            rb"BHS|^~\&|HIS",
            adt("A04", known).rstrip(b"\r"),
            message("ORU^R01", pid(unknown), *rows).rstrip(b"\r"),
            adt("A04", third).rstrip(b"\r"),
            b"BTS|3",
            b"FTS|1",
        ]
    )
    answers = all_told(await posted(fhir, content))
    assert [each.code for each in answers] == ["AA", "AE", "AA"]
    assert (await fhir.get(f"/Patient?identifier={third.record}")).json()["entry"]


async def test_whoever_may_not_write_what_a_message_says_is_refused_and_nothing_is_written(fhir: Fhir) -> None:
    one = elder()
    reader = fhir.as_(scopes=("system/*.rs", "system/Observation.c"), client="reader")
    assert (await send(reader, adt("A04", one))).code == "AE"
    assert "entry" not in (await fhir.get(f"/Patient?identifier={one.record}")).json()


async def test_another_content_type_is_415(fhir: Fhir) -> None:
    answer = await fhir.post("/$process-v2", b"MSH|", content_type="text/plain")
    assert_outcome(answer, 415, "not-supported")


# ---- mappings of one's own ------------------------------------------------------------------------------------------------------


async def test_a_sender_has_its_own_mapping_mended_without_a_restart(database_url: str, tmp_path: Path) -> None:
    settings = ServiceSettings(
        database_url=database_url, internal_key=SecretStr(KEY), public_base=BASE, v2_mappings=tmp_path
    )
    own = {"tables": {"gender": {"W": "female"}}, "charset": "GBK", "segments": {"PID": {"telecom": None}}}
    one = elder(name="张^鑫")
    content = adt("A04", one, charset=GBK).replace(b"GB 18030-2000", b"").replace(b"|F|", b"|W|")
    async with in_one_process(database_url, settings) as peers:
        fhir = Fhir(peers, HIS)
        assert told(await posted(fhir, content)).code == "AE"
        (tmp_path / "his.json").write_text(json.dumps(own), encoding="utf-8")
        assert told(await posted(fhir, content), "gb18030").code == "AA"
        found = (await fhir.get(f"/Patient?identifier={one.record}")).json()["entry"][0]["resource"]
        assert found["gender"] == "female"
        assert "telecom" not in found
        (tmp_path / "his.json").write_text('{"charset": "EBCDIC"}', encoding="utf-8")
        answer = await fhir.post("/$process-v2", adt("A04", elder()), content_type=MEDIA)
        assert_outcome(answer, 503, "transient")
