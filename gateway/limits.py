"""How much a client may send: the body is counted while it comes, whatever Content-Length says.

https://www.rfc-editor.org/rfc/rfc9110#status.413
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLargeError(Exception):
    """The body is larger than it may be; nothing of it was kept."""

    def __init__(self, cap: int) -> None:
        super().__init__(f"the body is larger than {cap} bytes")
        self.cap = cap


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete; there is nobody to answer."""


async def read_body(scope: MutableMapping[str, Any], receive: Receive, cap: int) -> bytes:
    """Return the whole body, or raise BodyTooLargeError as soon as it is known to be larger than `cap` bytes."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not announced.isdigit() or int(announced) > cap:
        raise BodyTooLargeError(cap)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return _checked(message.get("body", b""), cap)
    chunks, size = [], 0
    while True:
        if message["type"] != "http.request":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > cap:
            raise BodyTooLargeError(cap)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def _checked(body: bytes, cap: int) -> bytes:
    if len(body) > cap:
        raise BodyTooLargeError(cap)
    return body
