r"""The answer to a message: ACK with MSA, and ERR where something is to be told: http://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading49"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from services.records.v2.faults import NAMES, AckCode, Fault

_ESCAPES: Final = str.maketrans({"\\": r"\E\ ".strip(), "|": r"\F\ ".strip(), "^": r"\S\ ".strip(), "&": r"\T\ ".strip(), "~": r"\R\ ".strip(), "\r": " ", "\n": " "})  # fmt: skip
SELF: Final = "YIYANG"
_MSA_TEXT: Final = 80


def header_fields(content: bytes) -> list[str]:
    """MSH as far as it can be read, whatever its charset; `[9]` is MSH-10."""
    line = content.split(b"\r", 1)[0].decode("latin-1")
    return line.split(line[3]) if line.startswith("MSH") and len(line) > 3 else []  # noqa: PLR2004


def acknowledge(content: bytes, code: AckCode, faults: Sequence[Fault], at: datetime, own_id: str, codec: str) -> bytes:
    """In the charset of the message itself, so that its sender can read it."""
    told = header_fields(content)

    def said(field: int) -> str:
        return told[field - 1] if field <= len(told) else ""

    event = said(9).split("^")
    header = [
        "MSH", r"^~\&", SELF, SELF, said(3), said(4), f"{at:%Y%m%d%H%M%S%z}", "",
        "^".join(["ACK", *event[1:2], "ACK"]), own_id, said(11) or "P", said(12) or "2.5.1", "", "", "", "", "", said(18),
    ]  # fmt: skip
    first = next(iter(faults), None)
    summary = _escaped(f"{first.text} · {first.diagnostics}"[:_MSA_TEXT]) if first else ""
    segments = ["|".join(header).rstrip("|"), "|".join(["MSA", code, said(10), summary]).rstrip("|")]
    segments += [_err(fault) for fault in faults]
    # What of the header was not ASCII is given back byte by byte.
    return (
        b"\r".join([segments[0].encode("latin-1"), *(each.encode(codec, "replace") for each in segments[1:])]) + b"\r"
    )


def batch_of(answers: Iterable[bytes], at: datetime) -> bytes:
    """The acknowledgements in their own envelope."""
    each = [*answers]
    head = f"BHS|^~\\&|{SELF}|{SELF}|||{at:%Y%m%d%H%M%S%z}".encode()
    return b"\r".join([head, *(answer.rstrip(b"\r") for answer in each), f"BTS|{len(each)}".encode()]) + b"\r"


def _err(fault: Fault) -> str:
    place = fault.place
    where = "^".join(str(part or "") for part in place).rstrip("^")
    older = f"{place.segment}^{place.number}^{place.field or ''}^{fault.code}&{NAMES[fault.code]}&HL70357"
    code = f"{fault.code}^{NAMES[fault.code]}^HL70357"
    return "|".join(
        ["ERR", older, where, code, fault.severity, "", "", _escaped(fault.diagnostics), _escaped(fault.text)]
    )


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
