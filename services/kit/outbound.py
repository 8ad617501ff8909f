"""Calls to addresses that somebody else named: https only, to public networks only, resolved once and held to what was resolved.

Redirects are not followed, a proxy is not asked, an answer is read up to its cap. Networks that the operator names are let through,
also without TLS. https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

import httpx
import msgspec

Address = IPv4Address | IPv6Address

SECONDS: Final = 5.0
RESOLVE_SECONDS: Final = 2.0
MAX_BYTES: Final = 1_000_000
MAX_URL: Final = 2_000
_PORTS: Final = {"https": 443, "http": 80}
# Ways to write an IPv4 address as a public IPv6 one: NAT64, 6to4, Teredo.
_WRAPPED: Final = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))


class OutboundRefusedError(Exception):
    """The address may not be called; the message says why."""


class OutboundFailedError(Exception):
    """The address does not answer as it should; the call may be made again."""


class OutboundAnswer(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    def __init__(self, networks: Iterable[str] = (), max_bytes: int = MAX_BYTES, seconds: float = SECONDS) -> None:
        self._networks = tuple(map(ip_network, networks))
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._client: httpx.AsyncClient | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> OutboundAnswer:
        return await self.call("GET", url, headers)

    async def call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> OutboundAnswer:
        """Send one request; OutboundRefusedError where it may not go, OutboundFailedError where no whole answer comes back."""
        parts = check_url(url)
        sent = {**(headers or {}), "host": parts.netloc}
        try:
            async with asyncio.timeout(self._seconds):
                pinned = httpx.URL(url).copy_with(host=str(await self._resolve(parts)))
                # TLS is with the name, not with the address that it was resolved to.
                name = {"sni_hostname": parts.hostname}
                request = self._opened().build_request(method, pinned, headers=sent, content=body, extensions=name)
                return await self._send(request)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise OutboundFailedError(f"{parts.hostname} does not answer: {type(error).__name__}") from error

    async def check(self, url: str) -> None:
        """Raise OutboundRefusedError for an address that may not be called as it resolves now."""
        await self._resolve(check_url(url))

    def check_written(self, url: str) -> None:
        """Raise OutboundRefusedError for what may not be called whatever its name resolves to; a call still resolves it."""
        parts = check_url(url)
        host = parts.hostname or ""
        try:
            addresses = [ip_address(host)]
        except ValueError:
            if host == "localhost" or host.endswith(".localhost"):
                addresses = [ip_address("127.0.0.1"), ip_address("::1")]
            elif parts.scheme != "https" and not self._networks:
                raise OutboundRefusedError(f"{host}: only https:// is called") from None
            else:
                return
        self._check(parts, addresses)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, request: httpx.Request) -> OutboundAnswer:
        response = await self._opened().send(request, stream=True)
        try:
            if response.is_redirect:
                raise OutboundRefusedError("a redirect is not followed: name the address itself")
            chunks, size = [], 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > self._max_bytes:
                    raise OutboundFailedError(f"the answer is larger than {self._max_bytes} bytes")
                chunks.append(chunk)
            return OutboundAnswer(response.status_code, dict(response.headers), b"".join(chunks))
        finally:
            await response.aclose()

    async def _resolve(self, parts: SplitResult) -> Address:
        """Return the address to call. One that is not public among several refuses them all."""
        addresses = await _addresses(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        self._check(parts, addresses)
        return addresses[0]

    def _check(self, parts: SplitResult, addresses: Iterable[Address]) -> None:
        host = parts.hostname
        for address in addresses:
            if any(address in network for network in self._networks):
                continue
            if parts.scheme != "https":
                raise OutboundRefusedError(f"{host}: only https:// is called")
            if not is_public(address):
                raise OutboundRefusedError(f"{host}: not an address of the public network")

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            # No connection is kept: the next call resolves the name anew.
            limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
            self._client = httpx.AsyncClient(
                trust_env=False,
                follow_redirects=False,
                timeout=self._seconds,
                limits=limits,
                headers={"user-agent": "yiyang"},
            )
        return self._client


def check_url(url: str) -> SplitResult:
    """Return the parts of a URL, or raise OutboundRefusedError for what is no plain http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutboundRefusedError("not a URL") from error
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise OutboundRefusedError("not a URL")
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise OutboundRefusedError("only https:// is called")
    if "@" in parts.netloc or parts.fragment:
        raise OutboundRefusedError("no user, password or fragment in the URL")
    return parts


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to somebody in the public network."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local or any(address in network for network in _WRAPPED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified


async def _addresses(host: str, port: int) -> list[Address]:
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise OutboundFailedError(f"{host}: the name is not known") from error
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
