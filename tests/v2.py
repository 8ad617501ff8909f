r"""HL7 v2 messages as an old HIS sends them, changed by keyword, and what is told by their acknowledgements: docs/v2.md

>>> adt("A01", person())  # a bytes object, segments ended by \r
"""

import itertools
from collections.abc import Iterable
from datetime import date
from typing import Any, Final, NamedTuple

import hl7

from services.kit.identifiers import id_number
from tests.builders import UNASSIGNED
from tests.house import Fhir

UTF8: Final = "UNICODE UTF-8"
GBK: Final = "GB 18030-2000"
MEDIA: Final = "application/hl7-v2"
_CODECS: Final = {UTF8: "utf-8", GBK: "gb18030", "": "utf-8"}

_numbers = itertools.count(1)


class Elder(NamedTuple):
    """As a hospital knows her; `national` is a 身份证号 that is nobody's."""

    record: str
    national: str
    name: str = "王^秀英"
    born: str = "19440312"

    @property
    def pid3(self) -> str:
        return f"{self.record}^^^HIS^PI~{self.national}^^^CN^NI"


def elder(**changes: Any) -> Elder:
    number = next(_numbers)
    birth = date(1944, 3, 12)
    made = Elder(f"M{number:06d}", id_number(UNASSIGNED, birth, 2 * (number % 400) + 2))
    return made._replace(**changes)


def control() -> str:
    return f"MSG{next(_numbers):08d}"


def message(
    event: str, *segments: str, charset: str = UTF8, number: str | None = None, version: str = "2.5.1"
) -> bytes:
    head = f"MSH|^~\\&|HIS|K0001|YIYANG|YIYANG|20261124120000+0800||{event}|{number or control()}|P|{version}||||||{charset}"
    return ("\r".join([head.rstrip("|"), *segments]) + "\r").encode(_CODECS[charset])


def pid(
    one: Elder, gender: str = "F", address: str = "人民路1号^^乌海^内蒙古^016000", phone: str = "10000000001"
) -> str:
    return f"PID|1||{one.pid3}||{one.name}^^^^^L||{one.born}|{gender}|||{address}||{phone}"


def pv1(visit: str, place: str = "心内科^301^12", status: str = "I", **fields: str) -> str:
    """`f44="20261124"` sets PV1-44."""
    said = {2: status, 3: place, 7: "1001^李^卫国", 19: visit} | {int(name[1:]): text for name, text in fields.items()}
    return "|".join(["PV1", "1", *(said.get(n, "") for n in range(2, max(said) + 1))])


def adt(event: str, one: Elder, *segments: str, at: str = "20261124115900", **kwargs: Any) -> bytes:
    return message(f"ADT^{event}", f"EVN|{event}|{at}", pid(one), *segments, **kwargs)


class Told(NamedTuple):
    """An acknowledgement: MSA-1, and the places, codes and severities of its ERR segments."""

    code: str
    control: str
    errors: list[tuple[str, str, str]]
    text: str

    @property
    def places(self) -> list[str]:
        return [place for place, _, _ in self.errors]


def told(answer: bytes, codec: str = "utf-8") -> Told:
    return _told(hl7.parse(answer.decode(codec)))


def all_told(answer: bytes) -> list[Told]:
    """Of a batch."""
    return [_told(each) for each in hl7.parse_batch(answer.decode())]


def _told(said: Any) -> Told:
    msa = said.segment("MSA")
    return Told(str(msa[1]), str(msa[2]), [*map(_error, _errors(said))], str(said))


def _errors(said: Any) -> Iterable[Any]:
    return (each for each in said if str(each[0]) == "ERR")


def _error(err: Any) -> tuple[str, str, str]:
    name, number, field = [*str(err[2]).split("^"), "", ""][:3]
    place = (name if number in ("", "1") else f"{name}[{number}]") + (f"-{field}" if field else "")
    return place, str(err[3]).split("^")[0], str(err[4])


async def send(fhir: Fhir, content: bytes, codec: str = "utf-8") -> Told:
    return told(await posted(fhir, content), codec)


async def posted(fhir: Fhir, content: bytes) -> bytes:
    answer = await fhir.post("/$process-v2", content, content_type=MEDIA)
    assert answer.status_code == 200, answer.text
    return answer.content
