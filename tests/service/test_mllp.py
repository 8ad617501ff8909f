"""The listener of MLLP: who gets in, as whom, and when there is no answer (docs/adr/0046)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.keys import KeyPair
from tests.listening import free_port
from tests.v2 import adt, elder, told
from yiyang.v2.bridge import Bridge, Limits
from yiyang.v2.door import Door, RefusedError
from yiyang.v2.frames import END, START, framed
from yiyang.v2.senders import Sender, fingerprint

HERE = Sender("his", addresses=("127.0.0.1/32",))


class Noted(Door):
    """A gateway that accepts everything, or refuses it."""

    def __init__(self, refusal: int = 0) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self._refusal = refusal

    async def send(self, client: str, content: bytes) -> bytes:
        self.seen.append((client, content))
        if self._refusal:
            raise RefusedError(self._refusal)
        return b"MSH|^~\\&|YIYANG\rMSA|AA|1\r"


@asynccontextmanager
async def bridge(
    door: Door, *senders: Sender, tls: ssl.SSLContext | None = None, limits: Limits | None = None
) -> AsyncIterator[int]:
    server = await Bridge(senders or (HERE,), door, limits or Limits()).listen("127.0.0.1", 0, tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def said(port: int, sent: Sequence[bytes], tls: ssl.SSLContext | None = None) -> list[bytes]:
    """The frames that came back until the connection was closed, or all were answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    for each in sent:
        writer.write(each)
    answers: list[bytes] = []
    try:
        while len(answers) < len(sent):
            async with asyncio.timeout(10):
                answers.append((await reader.readuntil(END)).removeprefix(START).removesuffix(END))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()
    return answers


async def test_messages_go_to_the_gateway_one_after_the_other() -> None:
    first, second = adt("A04", elder()), adt("A04", elder())
    async with bridge(door := Noted()) as port:
        answers = await said(port, [framed(first) + framed(second)[:9], framed(second)[9:]])
    assert [told(answer).code for answer in answers] == ["AA", "AA"]
    assert door.seen == [("his", first), ("his", second)]


async def test_a_frame_that_breaks_off_is_no_message() -> None:
    async with bridge(door := Noted()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(START + adt("A04", elder()))
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert door.seen == []


async def test_another_address_hears_nothing() -> None:
    async with bridge(door := Noted(), Sender("his", addresses=("10.0.0.0/8",))) as port:
        assert await said(port, [framed(adt("A04", elder()))]) == []
    assert door.seen == []


async def test_senders_of_one_address_are_told_apart_by_their_facility() -> None:
    his = Sender("his", addresses=("127.0.0.1",), facility="HIS|K0001")
    lis = Sender("lis", addresses=("127.0.0.1",), facility="LIS|K0001")
    message = adt("A04", elder())
    other, unknown = message.replace(b"|HIS|", b"|LIS|", 1), message.replace(b"|HIS|", b"|PACS|", 1)
    async with bridge(door := Noted(), his, lis) as port:
        answers = await said(port, [framed(message), framed(other), framed(unknown)])
    assert [client for client, _ in door.seen] == ["his", "lis"]
    last = told(answers[-1])
    assert (last.code, last.places) == ("AR", ["MSH-4"])


async def test_who_may_not_is_rejected_without_a_receipt() -> None:
    async with bridge(Noted(refusal=403)) as port:
        (answer,) = await said(port, [framed(adt("A04", elder()))])
    assert told(answer).code == "AR"


async def test_who_sends_too_much_at_once_is_told_to_send_fewer() -> None:
    async with bridge(Noted(refusal=413)) as port:
        (answer,) = await said(port, [framed(adt("A04", elder()))])
    assert told(answer).code == "AR"
    assert "send fewer" in told(answer).text


async def test_a_gateway_that_is_away_means_no_answer_at_all(keys: KeyPair) -> None:
    door = Door(f"http://127.0.0.1:{free_port()}/fhir", lambda _: keys, patience=0.6)
    async with bridge(door) as port:
        assert await said(port, [framed(adt("A04", elder()))]) == []
    await door.close()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the listener ended the connection without a word."""
    try:
        async with asyncio.timeout(5):
            return await reader.read() == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize("begun", [b"", START + b"MSH|"])
async def test_who_sends_no_whole_message_for_long_is_let_go(begun: bytes) -> None:
    async with bridge(door := Noted(), limits=Limits(idle_seconds=0.3)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(adt("A04", elder())))
        assert told((await reader.readuntil(END)).removeprefix(START).removesuffix(END)).code == "AA"
        writer.write(begun)
        assert await closed(reader)
        writer.close()
    assert len(door.seen) == 1


async def test_connections_beyond_the_cap_are_closed_and_a_place_comes_free_again() -> None:
    content = framed(adt("A04", elder()))
    async with bridge(Noted(), limits=Limits(connections=2)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in held:
            writer.write(content)
            await reader.readuntil(END)
        assert await said(port, [content]) == []
        held[0][1].close()
        async with asyncio.timeout(5):
            while len(await said(port, [content])) < 1:
                await asyncio.sleep(0.05)
        held[1][1].close()


class Party(NamedTuple):
    """A certificate with its key in one file, and in DER."""

    file: Path
    der: bytes


def party(name: str, folder: Path) -> Party:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (file := folder / f"{name}.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return Party(file, made.public_bytes(serialization.Encoding.DER))


def client_of(own: Party) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(own.file)
    return context


async def test_a_sender_is_known_by_its_certificate(tmp_path: Path) -> None:
    here, his, lis = (party(name, tmp_path) for name in ("here", "his", "lis"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(here.file)
    for each in (his, lis):
        tls.load_verify_locations(each.file)
    tls.verify_mode = ssl.CERT_REQUIRED
    known = Sender("his", certificate=fingerprint(his.der))
    async with bridge(door := Noted(), known, tls=tls) as port:
        message = framed(adt("A04", elder()))
        assert len(await said(port, [message], client_of(his))) == 1
        assert await said(port, [message], client_of(lis)) == []
    assert [client for client, _ in door.seen] == ["his"]
