"""What came of each change, joined into the one Decision of a commit."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.fhir.business import Decision, Hold, Intent, Timer, changed, created
from services.referral.desk import Desk

Json = dict[str, Any]


class Part(msgspec.Struct, frozen=True):
    """Of one change. `changed` are versions that the platform writes beside it, by `Type/id`, each on the version it was made of."""

    bodies: dict[int, Json] = {}
    changed: dict[str, tuple[Json, int]] = {}
    created: tuple[Json, ...] = ()
    also: tuple[Intent, ...] = ()
    rests_on: dict[str, int] = {}
    takes: tuple[Hold, ...] = ()
    frees: tuple[str, ...] = ()
    timers: dict[str, tuple[Timer, ...]] = {}


def joined(parts: Sequence[Part], desk: Desk) -> Decision:
    """What this commit writes itself is not written beside it too, nor rested on."""
    versions = {name: each for part in parts for name, each in part.changed.items() if not desk.is_pending(name)}
    rests = {
        name: version
        for part in parts
        for name, version in part.rests_on.items()
        if name not in versions and not desk.is_pending(name)
    }
    also: list[Intent] = [changed(body, version) for body, version in versions.values()]
    also += [created(each) for part in parts for each in part.created]
    also += [each for part in parts for each in part.also]
    return Decision(
        bodies={place: body for part in parts for place, body in part.bodies.items()},
        also=tuple(also),
        rests_on=tuple((*name.split("/"), version) for name, version in rests.items()),  # type: ignore[misc]
        takes=tuple({(hold.key, hold.holder): hold for part in parts for hold in part.takes}.values()),
        frees=tuple(dict.fromkeys(each for part in parts for each in part.frees)),
        timers={holder: timers for part in parts for holder, timers in part.timers.items()},
    )
