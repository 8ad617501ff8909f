"""In which characters a message is written: MSH-18, HL7 v2 table 0211; GBK and GB 2312 are read as what holds them, GB 18030."""

from typing import Final

from services.records.v2.faults import DATA_TYPE, Fault, NotTakenError, Place

UTF8: Final = "utf-8"
GB: Final = "gb18030"
_NAMES: Final = {
    "UNICODE UTF-8": UTF8,
    "UTF-8": UTF8,
    "UTF8": UTF8,
    "ASCII": UTF8,
    "GB 18030-2000": GB,
    "GB18030": GB,
    "GBK": GB,
    "GB2312": GB,
    "GB 2312-80": GB,
}
_MSH: Final = Place("MSH", field=18)
_CJK: Final = range(0x3400, 0xA000)


def named(text: str) -> str | None:
    """The codec of a name of table 0211, or of one that is used in its place."""
    return _NAMES.get(text.strip().upper())


def decoded(content: bytes, declared: str, configured: str) -> tuple[str, str]:
    """Text and codec; NotTakenError that names the first segment and field whose bytes are no such characters."""
    codec = named(declared or configured)
    if codec is None:
        raise NotTakenError("AR", _unknown())
    if codec == GB and _is_utf8_han(content):
        raise NotTakenError("AE", _utf8_after_all(content))
    try:
        return content.decode(codec), codec
    except UnicodeDecodeError as error:
        raise NotTakenError("AE", _not_so(content, error.start, codec)) from error


def _is_utf8_han(content: bytes) -> bool:
    """Chinese in GB 18030 is next to never UTF-8 that reads as Han characters; the reverse is always readable, and rubbish."""
    try:
        text = content.decode(UTF8)
    except UnicodeDecodeError:
        return False
    return any(ord(character) in _CJK for character in text)


def _unknown() -> Fault:
    return Fault(
        _MSH,
        DATA_TYPE,
        "MSH-18: this character set is not read here; send UNICODE UTF-8 or GB 18030-2000",
        "MSH-18：不支持该字符集，请使用 UNICODE UTF-8 或 GB 18030-2000",
    )


def _not_so(content: bytes, position: int, codec: str) -> Fault:
    place = place_of(content, position)
    said, other = ("UTF-8", "GB 18030-2000 (GBK)") if codec == UTF8 else ("GB 18030 (GBK)", "UNICODE UTF-8")
    return Fault(
        place,
        DATA_TYPE,
        f"{place}: the bytes are not {said}; if they are {other}, say so in MSH-18 or in the mapping's charset",
        f"{place}：字节不是 {said} 编码；若实为 {other}，请在 MSH-18 或映射配置中注明",
    )


def _utf8_after_all(content: bytes) -> Fault:
    place = place_of(content, next(n for n, byte in enumerate(content) if byte > 0x7F))  # noqa: PLR2004 - beyond ASCII
    return Fault(
        place,
        DATA_TYPE,
        f"{place}: GB 18030 (GBK) is declared and the bytes are UTF-8; correct MSH-18",
        f"{place}：声明为 GB 18030（GBK），实际字节为 UTF-8，请更正 MSH-18",
    )


def place_of(content: bytes, position: int) -> Place:
    """Segment and field in which a byte lies; neither separator is part of a character in either charset before the fault."""
    segments = content[:position].split(b"\r")
    name = content[len(content[:position]) - len(segments[-1]) :][:3].decode("ascii", "replace")
    number = sum(1 for each in segments if each[:3].decode("ascii", "replace") == name) or 1
    field = segments[-1].count(b"|") + (1 if name == "MSH" else 0)
    return Place(name, number, field)
