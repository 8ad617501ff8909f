"""How often and how long after a failure a request is made again: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import uniform
from typing import Final

import httpx
import msgspec

BUSY: Final = frozenset({429, 502, 503, 504})
_CONFLICT: Final = 409


class Retry(msgspec.Struct, frozen=True):
    """At most so many attempts; the pause doubles from `first` up to `longest` seconds, and is drawn by lot, so that many do not come back at once.

    A request that the server works on already is waited for during `under_way` seconds: a minute after a worker has died its key is free again.
    """

    attempts: int = 8
    first: float = 0.5
    longest: float = 30.0
    under_way: float = 75.0

    def pause(self, attempt: int, answer: httpx.Response | None) -> float:
        """After the attempt of this number, from 0: what the server asks for, and a little more."""
        most = min(self.longest, self.first * 2**attempt)
        asked = retry_after(answer) if answer is not None else None
        drawn = uniform(0, most)  # noqa: S311 - not a secret
        return drawn if asked is None else min(asked, self.longest) + drawn * 0.1


def is_under_way(answer: httpx.Response) -> bool:
    """The server works on the very request already: docs/adr/0035."""
    return answer.status_code == _CONFLICT and "retry-after" in answer.headers


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds, from a number of them or from a date; None where nothing readable is said."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
