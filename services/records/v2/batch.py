r"""Several messages in one: the batch protocol, FHS BHS … BTS FTS: http://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading15

Bytes are parted before anything is decoded: no character of UTF-8 or GB 18030 has a carriage return in it.
"""

from typing import Final, NamedTuple

MOST_MESSAGES: Final = 200  # each is a commit or two: some seconds of one request
_ENDS: Final = (b"\r\n", b"\n")
_AROUND: Final = (b"FHS", b"BHS", b"BTS", b"FTS")


class Received(NamedTuple):
    """The messages; `is_batch` where they came in an envelope, or are several."""

    messages: tuple[bytes, ...]
    is_batch: bool


def messages_in(content: bytes) -> Received:
    """What stands before the first MSH is a message too, so that it is answered."""
    for end in _ENDS:
        content = content.replace(end, b"\r")
    found: list[list[bytes]] = []
    is_wrapped = False
    for line in content.strip(b"\r\x0b\x1c \t").split(b"\r"):
        segment = line.lstrip(b" \t\x0b")
        if segment[:3] in _AROUND:
            is_wrapped = True
            continue
        if segment[:3] == b"MSH" or not found:
            found.append([])
        found[-1].append(segment)
    kept = [message for segments in found if (message := b"\r".join(segments).strip(b"\r"))]
    return Received(tuple(kept), is_wrapped or len(kept) > 1)
