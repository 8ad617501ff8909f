"""Which shard a resource lies on, and ids that carry it (docs/adr/0005).

A shard number is one of 4096. An id that the server assigns is a UUID of version 8 (RFC 9562 §5.8): 48 bits of Unix time in milliseconds,
12 bits of shard, 62 random bits. So ids grow with time, which keeps the primary keys append-only, and a read by such an id knows its shard.
"""

import re
from collections.abc import Callable
from datetime import datetime
from secrets import randbits
from typing import Final
from zlib import crc32

from services.kit.ids import uuid_text

SHARD_BITS: Final = 12
SHARDS: Final = 1 << SHARD_BITS

_CARRIES_SHARD: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_VERSION: Final = 8 << 76
_VARIANT: Final = 0b10 << 62

RandomBits = Callable[[int], int]


def shard_of(resource_id: str) -> int:
    """The shard of a resource that stands for itself: of a patient, and so of everything bound to that patient."""
    if _CARRIES_SHARD(resource_id):
        return int(resource_id[15:18], 16)
    return crc32(resource_id.encode()) & (SHARDS - 1)


def carried_shard(resource_id: str) -> int | None:
    """The shard that an id of ours tells, None for an id that a client chose."""
    return int(resource_id[15:18], 16) if _CARRIES_SHARD(resource_id) else None


def new_id(now: datetime, shard: int | None = None, random_bits: RandomBits = randbits) -> str:
    """A fresh id on `shard`; on a random shard when None."""
    milliseconds = int(now.timestamp() * 1000)
    place = random_bits(SHARD_BITS) if shard is None else shard
    return uuid_text((milliseconds << 80) | _VERSION | (place << 64) | _VARIANT | random_bits(62))
