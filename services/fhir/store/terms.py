"""What a commit asks for and writes beside its versions: rows to be as they were seen, places taken and freed, timers set (docs/adr/0025)."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from services.fhir.store.shards import carried_shard, shard_of


class Rest(msgspec.Struct, frozen=True):
    """A version that must still be the newest one of its resource when the commit is made."""

    type: str
    id: str
    version: int
    shard: int


class Hold(msgspec.Struct, frozen=True):
    """One of the `capacity` places of `key`, for `holder` (a `Type/id`), until an instant or until it is freed."""

    key: str
    holder: str
    capacity: int = 1
    until: datetime | None = None


class Timer(msgspec.Struct, frozen=True):
    """The act that the platform does when `due` comes."""

    act: str
    due: datetime


class Timers(msgspec.Struct, frozen=True):
    """All that a holder (a `Type/id`) has from now on; `service` is whose business set them, and who does the acts."""

    service: str
    holder: str
    timers: tuple[Timer, ...]


class Fired(msgspec.Struct, frozen=True):
    """A timer whose effect this commit is: it is used up by it."""

    holder: str
    act: str
    due: datetime


class Terms(msgspec.Struct, frozen=True):
    """`frees` are holders, of all their places, or `holder key` of one."""

    rests_on: tuple[Rest, ...] = ()
    takes: tuple[Hold, ...] = ()
    frees: tuple[str, ...] = ()
    timers: tuple[Timers, ...] = ()
    fired: Fired | None = None

    def __bool__(self) -> bool:
        return bool(self.rests_on or self.takes or self.frees or self.timers or self.fired)


def joined(all_terms: Iterable[Terms]) -> Terms:
    """Those of several owners, of one commit."""
    terms = [each for each in all_terms if each]
    if len(terms) < 2:  # noqa: PLR2004
        return terms[0] if terms else Terms()
    return Terms(
        rests_on=tuple(dict.fromkeys(rest for each in terms for rest in each.rests_on)),
        takes=tuple(hold for each in terms for hold in each.takes),
        frees=tuple(holder for each in terms for holder in each.frees),
        timers=tuple(timers for each in terms for timers in each.timers),
        fired=next((each.fired for each in terms if each.fired), None),
    )


def place_of(resource_id: str, shard: int | None = None) -> int:
    """The shard on which a resource was seen, else the one that its id tells."""
    if shard is not None:
        return shard
    carried = carried_shard(resource_id)
    return shard_of(resource_id) if carried is None else carried
