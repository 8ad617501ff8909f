"""The hospital's old system admits her by HL7 v2, in GBK; what it numbers becomes FHIR: docs/v2.md"""

from typing import Final

from yiyang.story import terms
from yiyang.story.elder import Elder
from yiyang.story.elements import Calendar
from yiyang.story.institutions import HOSPITAL
from yiyang.story.stage import Player, Stage, resources

CODEC: Final = "gb18030"
_WARD: Final = "心内科^301^12"


async def admit(stage: Stage, hospital: Player, elder: Elder, patient: str, calendar: Calendar) -> str:
    """A message that broke off, the whole one, and the same again. The Encounter."""
    stage.chapter("医院老系统以 HL7 v2（GBK）入院", "the hospital's old system admits her by HL7 v2, in GBK")
    whole = _admission(elder, calendar)
    refused = await hospital.message(
        whole[: whole.index(b"PV1")], "消息截断，AE 指明所缺消息段 · broken off: AE names the segment"
    )
    stage.check("ERR|PV1" in refused.decode(CODEC), _said(refused))
    accepted = await hospital.message(whole, "ADT^A01 入院 · admission")
    stage.check(b"\rMSA|AA|" in accepted, "AA：入库后才应答 · acknowledged once it is stored")
    again = await hospital.message(whole, "重发同一消息 · the same message again")
    stage.check(again == accepted, "应答相同，不重复入院 · the same answer, no second admission")
    found = resources(
        await hospital.get(
            f"Encounter?patient={patient}&identifier={terms.INPATIENT_NUMBER}|{_number(elder)}",
            "按住院号查就诊 · the stay by its number",
        )
    )
    ward = found[0]["location"][0]["location"]["display"] if len(found) == 1 else ""
    stage.check(ward.startswith("心内科"), f"同一老人的一次住院：{ward} · one stay of the same person")
    return f"Encounter/{found[0]['id']}"


def _admission(elder: Elder, calendar: Calendar) -> bytes:
    """ADT^A01 as an old HIS writes it: its own record number beside her 身份证号."""
    number, when = _number(elder), f"{calendar.instant(20):%Y%m%d%H%M%S}+0800"
    doctor = next(one for one in HOSPITAL.staff if one.role[0] == "physician")
    name = f"{elder.name[0]}^{elder.name[1:]}"
    segments = (
        f"MSH|^~\\&|HIS|{HOSPITAL.short}|YIYANG|YIYANG|{when}||ADT^A01|{number}|P|2.4||||||GB 18030-2000",
        f"EVN|A01|{when}",
        f"PID|1||{number}^^^HIS^PI~{elder.id_number}^^^CN^NI||{name}||{elder.birth:%Y%m%d}|F",
        f"PV1|1|I|{_WARD}||||{doctor.licence}^{doctor.name}||||||||||||{number}",
        "DG1|1||I50.9^心力衰竭^I10",
    )
    return ("\r".join(segments) + "\r").encode(CODEC)


def _number(elder: Elder) -> str:
    return f"DEMO{elder.record_number[-5:]}{elder.id_number[6:14]}"


def _said(answer: bytes) -> str:
    """The words of the first ERR segment, in Chinese and English."""
    error = next(line for line in answer.decode(CODEC).split("\r") if line.startswith("ERR")).split("|")
    return f"{error[8]} · {error[7]}"
