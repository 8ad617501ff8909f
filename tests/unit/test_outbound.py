"""Where a server may be sent by what somebody else wrote: https://owasp.org/Top10/A10_2021-Server-Side_Request_Forgery_%28SSRF%29/"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from services.kit.outbound import Outbound, OutboundFailedError, OutboundRefusedError, check_url, is_public

LOOPBACK = ("127.0.0.0/8",)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "2001:db8::1",
    ],
)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "114.114.114.114", "2400:3200::1", "::ffff:8.8.8.8"])
def test_an_address_that_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "file:///etc/passwd",
        "gopher://a.example/",
        "//a.example/",
        "https://user:password@a.example/",
        "https://a.example@127.0.0.1/",
        "https://a.example/#fragment",
        "https://a.example:0/",
        "https://a.example:99999/",
        "https://a example/",
        "https://a.example\\@127.0.0.1/",
        "https://ａ.example/",
        "https://a.example/" + "x" * 2000,
        "https://[::1/",
    ],
)
def test_what_is_no_plain_url(url: str) -> None:
    with pytest.raises(OutboundRefusedError):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/",
        "http://8.8.8.8/",
    ],
)
async def test_a_url_that_leads_inside_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises((OutboundRefusedError, OutboundFailedError)):
        await Outbound().get(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/",
        "https://a.localhost/",
        "https://10.1.2.3/",
        "http://8.8.8.8/",
        "http://a.example/",
        "https://user@a.example/",
    ],
)
def test_what_may_not_be_called_whatever_it_resolves_to_is_known_before_a_call(url: str) -> None:
    with pytest.raises(OutboundRefusedError):
        Outbound().check_written(url)


@pytest.mark.parametrize("url", ["https://a.example/", "https://8.8.8.8/hook", "https://a.example:8443/?b=c"])
def test_a_name_is_looked_at_only_when_it_is_called(url: str) -> None:
    Outbound().check_written(url)


async def test_a_name_is_refused_when_one_of_its_addresses_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(OutboundRefusedError, match="not an address of the public network"):
        await Outbound().check("https://rebinding.example/")


async def test_the_call_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        _answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") as (port, seen),
        Outbound(LOOPBACK) as outbound,
    ):
        asked = _resolve(monkeypatch, ["127.0.0.1"])
        answer = await outbound.get(f"http://keys.example:{port}/jwks?a=b", {"accept": "application/json"})
    assert (answer.status, answer.body, asked) == (200, b"ok", ["keys.example"])
    assert seen[0].startswith(b"GET /jwks?a=b HTTP/1.1\r\n")
    assert f"host: keys.example:{port}".encode() in seen[0].lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    wire = f"HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".encode()
    async with _answering(wire) as (port, _), Outbound(LOOPBACK) as outbound:
        with pytest.raises(OutboundRefusedError, match="redirect"):
            await outbound.get(f"http://127.0.0.1:{port}/")


async def test_an_answer_ends_at_its_cap() -> None:
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000
    async with _answering(wire) as (port, _), Outbound(LOOPBACK, max_bytes=1000) as outbound:
        with pytest.raises(OutboundFailedError, match="larger than 1000"):
            await outbound.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("wire", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"])
async def test_what_is_no_whole_answer_is_told_as_one(wire: bytes) -> None:
    async with _answering(wire) as (port, _), Outbound(LOOPBACK) as outbound:
        with pytest.raises(OutboundFailedError):
            await outbound.get(f"http://127.0.0.1:{port}/")


async def test_a_silent_address_is_given_up() -> None:
    async with _answering(None) as (port, _), Outbound(LOOPBACK, seconds=0.2) as outbound:
        with pytest.raises(OutboundFailedError):
            await outbound.get(f"http://127.0.0.1:{port}/")


def _resolve(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> list[str]:
    """Let every name lead to these addresses; return the names that are asked for."""
    asked: list[str] = []

    async def resolve(_loop: Any, host: str, port: int, **_: Any) -> list[Any]:
        if ":" not in host and host[0].isdigit():
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    return asked


@asynccontextmanager
async def _answering(wire: bytes | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says these bytes to whoever asks, None for one that says nothing."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        if wire is not None:
            writer.write(wire)
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen
