"""Peers: the other deployables by name, wherever they run; the gateway forwards to them, a coordinator asks them."""

from collections.abc import Mapping
from typing import Self

from services.kit.bell import Bell
from services.kit.directory import Directory
from services.kit.transport import AsgiApp, Headers, InProcess, OverHttp, PeerAnswer, PeerUnavailable, Transport

__all__ = ["AsgiApp", "Headers", "PeerAnswer", "PeerUnavailable", "Peers"]

_JSON = [(b"accept", b"application/json")]


class Peers:
    """Service name → its ASGI app in this process, or its base URL. A caller of `call` cannot tell which."""

    def __init__(self, peers: Mapping[str, AsgiApp | str], timeout_seconds: float = 60.0) -> None:
        self._transports: dict[str, Transport] = {
            service: OverHttp(service, where, timeout_seconds) if isinstance(where, str) else InProcess(service, where)
            for service, where in peers.items()
        }
        self.directory = Directory(self._transports, self._ask)
        self.bell = Bell()  # heard by all services of this process

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self._transports)

    async def call(self, service: str, method: str, target: str, headers: Headers, body: bytes) -> PeerAnswer:
        """Send one request and return the whole answer, whatever its status.

        `target` is path and query, percent-encoded. PeerUnavailable when the peer is unknown, refuses the connection,
        or breaks off: at once or after a second, and only after `timeout_seconds` when it accepts and never answers.
        """
        transport = self._transports.get(service)
        if transport is None:
            raise PeerUnavailable(service)
        return await transport.call(method, target, headers, body)

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, service: str, method: str, target: str) -> PeerAnswer:
        return await self.call(service, method, target, _JSON, b"")
