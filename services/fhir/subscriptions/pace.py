"""How long is waited, and for how long it is tried: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/"""

from collections.abc import Callable
from datetime import timedelta
from random import uniform
from typing import Final

import msgspec

_MOST_DOUBLINGS: Final = 30
_MUCH: Final = 10
_LONGEST_REST: Final = 5


class Pace(msgspec.Struct, frozen=True):
    """`first` is the pause after a first failure, doubled up to `longest`; after `give_up` what is pending is a dead letter.

    A process that sends says at least every `lease` that it is there. `rest` lies between two looks at the outbox, and more where much comes, so
    that what is committed meanwhile goes together; `patience` is how long nothing is looked at unless the bell rings. Settled events are kept for `keep`.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(hours=1)
    give_up: timedelta = timedelta(hours=96)
    lease: timedelta = timedelta(seconds=12)
    rest: timedelta = timedelta(seconds=0.02)
    patience: timedelta = timedelta(seconds=0.1)
    keep: timedelta = timedelta(days=30)


def pause(failures: int, pace: Pace, jitter: Callable[[float, float], float] = uniform) -> timedelta:
    """After so many failures in a row, between a half and the whole of the pause: many who wait do not come back at once."""
    whole = min(pace.longest, pace.first * (1 << min(failures, _MOST_DOUBLINGS)))
    return whole * jitter(0.5, 1.0)


def rest_after(read: int | None, rest: timedelta) -> timedelta:
    """How long nothing is looked at after so many changes were read at once; None where another process reads already."""
    return rest * (_LONGEST_REST if read is None else min(max(read / _MUCH, 1), _LONGEST_REST))
