"""What is wrong with a message and where: HL7 v2 table 0357 and the ERR segment, http://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading154"""

from typing import Final, Literal, NamedTuple

import msgspec

AckCode = Literal["AA", "AE", "AR"]

SEGMENT_SEQUENCE: Final = "100"
REQUIRED_FIELD: Final = "101"
DATA_TYPE: Final = "102"
TABLE_VALUE: Final = "103"
MESSAGE_TYPE: Final = "200"
EVENT_CODE: Final = "201"
UNKNOWN_KEY: Final = "204"
DUPLICATE_KEY: Final = "205"
INTERNAL: Final = "207"

NAMES: Final = {
    SEGMENT_SEQUENCE: "Segment sequence error",
    REQUIRED_FIELD: "Required field missing",
    DATA_TYPE: "Data type error",
    TABLE_VALUE: "Table value not found",
    MESSAGE_TYPE: "Unsupported message type",
    EVENT_CODE: "Unsupported event code",
    UNKNOWN_KEY: "Unknown key identifier",
    DUPLICATE_KEY: "Duplicate key identifier",
    INTERNAL: "Application error",
}


class Place(NamedTuple):
    """`PID[1]-5`: the n-th segment of a name, its field, and the repetition and component where they matter; 0 where none is meant."""

    segment: str
    number: int = 1
    field: int = 0
    repetition: int = 0
    component: int = 0

    def __str__(self) -> str:
        text = f"{self.segment}[{self.number}]" if self.number > 1 else self.segment
        return (
            text
            + (f"-{self.field}" if self.field else "")
            + (f"({self.repetition})" if self.repetition > 1 else "")
            + (f".{self.component}" if self.component else "")
        )


class Fault(msgspec.Struct, frozen=True):
    """`code` of table 0357; English for engineers, Chinese for people, never what the field held."""

    place: Place
    code: str
    diagnostics: str
    text: str
    severity: Literal["E", "W", "I"] = "E"


class NotTakenError(Exception):
    """The message is answered AE (its content) or AR (nothing that is taken here at all)."""

    def __init__(self, code: AckCode, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.place}: {fault.diagnostics}" for fault in faults))
        self.code = code
        self.faults = faults


class BadValueError(ValueError):
    """One value that can't be taken; who knows its place makes a fault of it."""

    def __init__(self, diagnostics: str, text: str, code: str = DATA_TYPE) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics
        self.text = text
        self.code = code

    def at(self, place: Place) -> Fault:
        return Fault(place, self.code, f"{place}: {self.diagnostics}", f"{place}：{self.text}")


def missing_field(place: Place) -> Fault:
    return Fault(place, REQUIRED_FIELD, f"{place} is required and empty", f"缺少必填字段 {place}")


def missing_segment(name: str) -> Fault:
    return Fault(
        Place(name),
        SEGMENT_SEQUENCE,
        f"the segment {name} is missing; the message may be truncated",
        f"缺少消息段 {name}，消息可能被截断",
    )
