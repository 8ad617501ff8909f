"""The frames of MLLP: <VT> message <FS><CR>: http://www.hl7.eu/HL7v2x/v251/std251/ch02.html, transport specification MLLP release 1"""

import asyncio
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader
from collections.abc import AsyncIterator
from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c\r"


class TooLongError(Exception):
    """More than a message may have, and no end in sight."""


async def frames(reader: StreamReader, idle_seconds: float) -> AsyncIterator[bytes]:
    """What stands between start and end; a frame that breaks off is none, and its sender sends it again. TimeoutError where none is whole in time."""
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                whole = await reader.readuntil(END)
        except (IncompleteReadError, ConnectionError):
            return
        except LimitOverrunError as error:
            raise TooLongError from error
        _, is_started, content = whole.removesuffix(END).partition(START)
        yield content if is_started else whole.removesuffix(END)


def framed(content: bytes) -> bytes:
    return START + content + END
