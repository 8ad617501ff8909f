"""Two ways to reach a peer with one shape: its ASGI app in this process, or HTTP with kept-alive connections.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, PyreqwestError, RequestTimeoutError
from pyreqwest.response import Response

from services.kit.logging import log_failure

Headers = Sequence[tuple[bytes, bytes]]
Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

CONNECT_SECONDS = 1.0
# Below the keep-alive of the peers' server, so that a connection is never taken in the moment in which it is closed.
IDLE_SECONDS = 4.0
_REPEATABLE = frozenset({"GET", "HEAD"})


class PeerAnswer(msgspec.Struct, frozen=True):
    """What a peer answered; header names in lower case, the body complete."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class PeerUnavailable(Exception):  # noqa: N818 - the state it names, not a mistake
    """The peer cannot be reached, or went away before it answered; the request may be sent again."""

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} cannot be reached")
        self.service = service


class Transport(Protocol):
    async def call(self, method: str, target: str, headers: Headers, body: bytes) -> PeerAnswer: ...

    async def close(self) -> None: ...


class InProcess:
    """The peer's app, called directly: no socket, no copy of the body."""

    def __init__(self, service: str, app: AsgiApp) -> None:
        self._service = service
        self._app = app

    async def call(self, method: str, target: str, headers: Headers, body: bytes) -> PeerAnswer:
        start: Message = {"status": 500, "headers": []}
        chunks: list[bytes] = []

        requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return requests.pop() if requests else await asyncio.Future()  # this client never disconnects

        async def send(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif chunk := message.get("body"):
                chunks.append(chunk)

        try:
            await self._app(_scope(method, target, headers), receive, send)
        except Exception as error:  # noqa: BLE001 - a server would answer 500 here, and so does this one
            log_failure("peer.failed", error, service=self._service)
        whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return PeerAnswer(start["status"], list(start.get("headers", ())), whole)

    async def close(self) -> None:
        pass


class OverHttp:
    """The peer at a base URL. Nothing but the request leaves: no proxy, no redirect followed, no body recoded."""

    def __init__(self, service: str, base: str, timeout_seconds: float) -> None:
        self._service = service
        self._base = base.rstrip("/")
        self._timeout = timedelta(seconds=timeout_seconds)
        self._client: Client | None = None

    async def call(self, method: str, target: str, headers: Headers, body: bytes) -> PeerAnswer:
        try:
            response = await self._send(method, target, headers, body)
            content = await response.bytes()
        except PyreqwestError as error:
            raise PeerUnavailable(self._service) from error
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
        return PeerAnswer(response.status, fields, bytes(content))

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _send(self, method: str, target: str, headers: Headers, body: bytes) -> Response:
        try:
            return await self._request(method, target, headers, body)
        except (ConnectError, RequestTimeoutError):
            raise
        except PyreqwestError:
            # The peer closed a kept-alive connection, or was replaced: what changes nothing is asked once more.
            if method not in _REPEATABLE:
                raise
            return await self._request(method, target, headers, body)

    async def _request(self, method: str, target: str, headers: Headers, body: bytes) -> Response:
        if self._client is None:
            self._client = self._build()
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        request = self._client.request(method, self._base + target).headers(fields)
        if body or method not in _REPEATABLE:
            request = request.body_bytes(body)
        return await request.build().send()

    def _build(self) -> Client:
        builder = ClientBuilder().no_proxy().follow_redirects(False).user_agent("yiyang")  # noqa: FBT003
        builder = builder.gzip(False).brotli(False).zstd(False).deflate(False)  # noqa: FBT003
        builder = builder.timeout(self._timeout).connect_timeout(timedelta(seconds=CONNECT_SECONDS))
        # A peer that vanished without a word (its machine is gone) is noticed by unacknowledged bytes.
        builder = builder.tcp_user_timeout(timedelta(seconds=2 * CONNECT_SECONDS))
        return builder.pool_idle_timeout(timedelta(seconds=IDLE_SECONDS)).build()


def _scope(method: str, target: str, headers: Headers) -> MutableMapping[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path) if "%" in path else path,
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
        "state": {},
    }
