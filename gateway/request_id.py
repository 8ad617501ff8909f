"""The id that joins the client's log with ours and with the audit."""

from collections.abc import Iterable

from services.kit.ids import is_request_id, uuid7


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Keep the client's request id where it is harmless."""
    for name, value in headers:
        if name == b"x-request-id" and is_request_id(text := value.decode("latin-1")):
            return text
    return uuid7()
