"""Time comes in as an argument: a clock that a test can hold still."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the instant, in UTC, cut to milliseconds."""

    def seconds(self) -> float:
        """Return the instant as seconds since 1970-01-01T00:00:00Z."""


class SystemClock:
    def now(self) -> datetime:
        return _to_milliseconds(datetime.now(UTC))

    def seconds(self) -> float:
        return time.time()


class StillClock:
    """A clock for tests and examples: it moves only when told."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return _to_milliseconds(self._instant)

    def seconds(self) -> float:
        return self._instant.timestamp()

    def advance(self, seconds: float) -> None:
        self._instant += timedelta(seconds=seconds)


class LeapingClock:
    """A clock for tests that run for real: the system's, ahead by what it was told to leap."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return _to_milliseconds(datetime.now(UTC) + self._ahead)

    def seconds(self) -> float:
        return time.time() + self._ahead.total_seconds()

    def leap(self, ahead: timedelta) -> None:
        self._ahead += ahead


def _to_milliseconds(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
