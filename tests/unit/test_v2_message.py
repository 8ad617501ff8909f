"""A message as it is read, and as another parser reads it: http://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading13"""

from typing import Any

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.records.v2.faults import NotTakenError
from services.records.v2.message import Message, Segment, check_header

HEAD = "MSH|^~\\&|HIS|K0001|YIYANG|YIYANG|20261124||ADT^A01^ADT_A01|1|P|2.5.1"


def pid(text: str) -> Segment:
    found = Message(f"{HEAD}\rPID|{text}\r").first("PID")
    assert found is not None
    return found


def test_repetitions_components_and_sub_components_are_counted_as_the_standard_does() -> None:
    segment = pid("1||M1^^^HIS&1.2.3&ISO^PI~999^^^CN^NI||张^三")
    first, second = segment.all(3)
    assert (first.part(), first.part(4), first.part(4, 2), first.part(5)) == ("M1", "HIS", "1.2.3", "PI")
    assert (second.part(), second.place.repetition, str(second.place)) == ("999", 2, "PID-3(2)")
    assert (segment.text(5), segment.text(5, 2), segment.text(5, 3), segment.all(6), segment.all(99)) == (
        "张", "三", "", [], [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "said"),
    [(r"10\S\9/L", "10^9/L"), (r"a\F\b\T\c\R\d\E\e", r"a|b&c~d\e"), (r"x\X41\y", "xAy"), (r"a\.br\b", "a\nb")],
)
def test_escapes_are_read(sent: str, said: str) -> None:
    assert pid(f"1||||{sent}").text(5) == said


@pytest.mark.parametrize("nothing", ["", '""', "^^", "^&^~^", "  "])
def test_what_says_nothing_is_no_value(nothing: str) -> None:
    assert pid(f"1||{nothing}||x").all(3) == []


def test_another_sender_has_other_separators() -> None:
    message = Message("MSH$%*!#$HIS$K\rPID$1$$M1%%%HIS#1%PI*X$")
    found = message.all("PID")[0].all(3)
    assert [(each.part(), each.part(4), each.part(4, 2)) for each in found] == [("M1", "HIS", "1"), ("X", "", "")]


def test_segments_of_a_name_are_counted_and_grouped() -> None:
    message = Message(f"{HEAD}\rOBR|1\rOBX|1\rOBX|2\rOBR|2\rOBX|1")
    assert [str(each.place(5)) for each in message.all("OBX")] == ["OBX-5", "OBX[2]-5", "OBX[3]-5"]
    groups = message.groups("OBR", frozenset({"OBX"}))
    assert [[each.name for each in group] for group in groups] == [["OBR", "OBX", "OBX"], ["OBR", "OBX"]]


@pytest.mark.parametrize("line", ["P", "pid|1", "第二行", "|||"])
def test_a_line_that_is_no_segment_is_told_behind_the_one_before(line: str) -> None:
    with pytest.raises(NotTakenError) as refused:
        Message(f"{HEAD}\rPID|1\r{line}\r")
    assert (refused.value.code, str(refused.value.faults[0].place)) == ("AE", "PID")


@given(st.binary(max_size=40))
def test_whatever_comes_is_a_message_or_told_to_be_none(content: bytes) -> None:
    for whole in (content, HEAD.encode() + b"\r" + content):
        try:
            check_header(whole)
            Message(whole.decode("latin-1"))
        except NotTakenError:
            pass


FIELD = st.text(alphabet="ab1张^~&", max_size=8)


@given(st.lists(FIELD, min_size=1, max_size=6))
def test_another_parser_reads_the_same(fields: list[str]) -> None:
    text = f"{HEAD}\rPID|{'|'.join(fields)}\r"
    ours, theirs = Message(text).all("PID")[0], hl7.parse(text).segment("PID")
    for number in range(1, len(fields) + 1):
        for value in ours.all(number):
            for component in (1, 2, 3):
                for sub in (1, 2):
                    repetition = value.place.repetition or 1
                    assert value.part(component, sub) == _other(theirs, number, repetition, component, sub)


def _other(segment: Any, field: int, repetition: int, component: int, sub: int) -> str:
    """Where something is left out, a part that is not there stands for itself in its first place only."""
    said: Any = segment[field][repetition - 1] if repetition <= len(segment[field]) else ""
    for place in (component, sub):
        if isinstance(said, list):
            said = said[place - 1] if place <= len(said) else ""
        elif place > 1:
            return ""
    return str(said)
