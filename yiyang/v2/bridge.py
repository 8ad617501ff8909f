"""From a connection to the gateway and back: one message after the other, each acknowledged when it is durable, or not at all (docs/adr/0046)."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Final, NamedTuple

from services.kit.ids import uuid7
from services.kit.logging import log
from services.records.v2.acknowledgement import acknowledge, header_fields
from services.records.v2.charset import UTF8
from services.records.v2.faults import INTERNAL, UNKNOWN_KEY, Fault, Place
from yiyang.v2.door import Door, RefusedError, UnansweredError
from yiyang.v2.frames import TooLongError, framed, frames
from yiyang.v2.senders import Sender

MOST_BYTES: Final = 5_000_000
_TOO_MUCH: Final = 413


class Limits(NamedTuple):
    """Of one listener: each connection may buffer up to two messages of MOST_BYTES."""

    connections: int = 64
    idle_seconds: float = 900.0


class Bridge:
    def __init__(self, senders: Sequence[Sender], door: Door, limits: Limits) -> None:
        self._senders = senders
        self._door = door
        self._limits = limits
        self._open = 0

    async def listen(self, host: str, port: int, tls: SSLContext | None) -> asyncio.Server:
        return await asyncio.start_server(self.serve, host, port, limit=MOST_BYTES, ssl=tls)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Until the sender leaves, or a message could not be acknowledged: then the connection ends without a word."""
        self._open += 1
        try:
            await self._serve(reader, writer)
        except TimeoutError:
            log("mllp.ended", reason="idle")
            writer.transport.abort()  # who does not read does not get the rest either
        except (UnansweredError, TooLongError, ConnectionError) as error:
            log("mllp.ended", reason=type(error).__name__)
        finally:
            self._open -= 1
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        possible = self._behind(writer)
        if not possible:
            log("mllp.refused", reason="address or certificate")
            return
        if self._open > self._limits.connections:
            log("mllp.refused", reason="connections")
            return
        async for content in frames(reader, self._limits.idle_seconds):
            writer.write(framed(await self._answer(content, possible)))
            async with asyncio.timeout(self._limits.idle_seconds):
                await writer.drain()

    def _behind(self, writer: StreamWriter) -> list[Sender]:
        address: str = writer.get_extra_info("peername")[0]
        tls = writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        return [each for each in self._senders if each.may_connect(address, certificate)]

    async def _answer(self, content: bytes, possible: Sequence[Sender]) -> bytes:
        """Who it is has to be known before anything is stored."""
        header = header_fields(content)
        sender = next((each for each in possible if each.is_of(header)), None)
        if sender is None:
            return _refused(content, _nobody())
        try:
            return await self._door.send(sender.client, content)
        except RefusedError as error:
            return _refused(content, _not_let_in(error.status))


def _refused(content: bytes, fault: Fault) -> bytes:
    return acknowledge(content, "AR", (fault,), datetime.now(UTC), uuid7(), UTF8)


def _nobody() -> Fault:
    return Fault(
        Place("MSH", field=4),
        UNKNOWN_KEY,
        "MSH-4: no registered sender of this facility at this connection",
        "MSH-4：该连接未登记此发送机构",
    )


def _not_let_in(status: int) -> Fault:
    if status == _TOO_MUCH:
        return Fault(
            Place("MSH"),
            INTERNAL,
            "too much at once; send fewer messages in a batch; nothing is stored",
            "一次发送过多，请减少每批消息数；未保存",
        )
    return Fault(
        Place("MSH"),
        INTERNAL,
        f"the gateway does not take messages of this sender ({status}); nothing is stored",
        f"网关未接受该发送方的消息（{status}），未保存",
    )
