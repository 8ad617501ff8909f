"""The seam to the rules of a service: what a request wants written passes them once, whatever way it came (docs/adr/0025).

An owner says which of its types are governed (`ServedType.governed`) and gives `create_service` its `Business`. Every commit that has versions
of such types is put before it, once, when it is prepared; what it decides becomes part of the same commit, or it raises a FhirError
and nothing at all is written. When the commit meets another one, it is asked again about what is there by then.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec

from services.fhir.interactions.intent import Intent, changed, created, deleted, laid_down
from services.fhir.outcomes import FhirError, Issue
from services.fhir.store.terms import Hold, Timer
from services.kit.caller import Caller

__all__ = [
    "Business",
    "Change",
    "Context",
    "Decision",
    "Differs",
    "Guarded",
    "Heard",
    "Hears",
    "Hold",
    "Intent",
    "Json",
    "OnTimer",
    "RefusedChange",
    "Reserved",
    "Timer",
    "Wake",
    "changed",
    "created",
    "deleted",
    "laid_down",
]

Json = dict[str, Any]


class Change(msgspec.Struct, frozen=True):
    """One version that a request wants written. `before` is None where nothing is there, `after` None for a deletion.

    `version` is the number that it will have, so `before` is `version - 1`; the id is settled, of a create too. `author` is the organization
    that made the resource, None of a first version.
    """

    type: str
    id: str
    before: Json | None
    after: Json | None
    version: int
    author: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """What comes of the changes. Nothing said is: as they are.

    - `bodies`: by its place among the changes, a body that the server writes instead of the one sent;
    - `also`: more versions of the same commit, by whichever owners (`created`, `changed`, `deleted`); they are the platform's, are not decided on
      again, and are not limited by what the caller may;
    - `rests_on`: (type, id, version) of what was read and must not have changed when the commit is made;
    - `takes`: places of limited capacity; when there is none left, all is decided once more, then refused with 409;
    - `frees`: holders (`Type/id`) that give up all their places, or `holder key` for one of them; freed before anything is taken;
    - `timers`: by holder, all the timers that it has from now on.
    """

    bodies: Mapping[int, Json] = {}
    also: tuple[Intent, ...] = ()
    rests_on: tuple[tuple[str, str, int], ...] = ()
    takes: tuple[Hold, ...] = ()
    frees: tuple[str, ...] = ()
    timers: Mapping[str, tuple[Timer, ...]] = {}


class RefusedChange(FhirError):  # noqa: N818 - the state it names
    """A refusal that says by its place which of the changes it means; any other FhirError means the first of the type that it names."""

    def __init__(self, error: FhirError, number: int) -> None:
        super().__init__(error.status, error.issues, error.headers)
        self.number = number


class Context(Protocol):
    """Who asks and when, and what is there, read as the platform: it is not limited by what the caller may see."""

    caller: Caller
    at: datetime
    zone: ZoneInfo
    base: str

    async def read(self, resource_type: str, resource_id: str) -> tuple[Json, int] | None:
        """The newest version with its number; None where there is none, or a deletion."""

    async def seen(self, resource_type: str, resource_id: str) -> tuple[Json, int] | None:
        """The same as far as the caller may read it: for what the decision tells the caller of it."""

    async def fetch(self, names: Iterable[str]) -> None:
        """Read in one round trip what `read` will be asked for, by `Type/id`."""

    async def search(self, resource_type: str, parameters: Sequence[tuple[str, str]]) -> list[tuple[Json, int]]:
        """All that match, up to a thousand; parameters as in a URL, not encoded."""

    async def holders(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Who holds a place of each key now, the first of several; a key that nobody holds is left out."""

    async def first(
        self, resource_type: str, parameters: Sequence[tuple[str, str]], count: int
    ) -> list[tuple[Json, int]]:
        """So many that match, the first in the order that `_sort` says."""

    async def held(self, keys: Sequence[str]) -> Mapping[str, int]:
        """How many places of each key are taken now; a key of which none is taken is left out."""

    def new_id(self, patient: str | None = None) -> str:
        """An id for a resource that the decision makes, on the shard of the patient whom it is about."""


Business = Callable[[Sequence[Change], Mapping[str, Json], Context], Awaitable[Decision]]
"""(changes, others, context) → Decision. `others` are the bodies of the other entries of the same transaction, by `Type/id`."""

Guarded = Callable[[str, Json], bool]
"""(type, what is there) → is an update or a patch refused with 428 that says no version (If-Match)?"""

Differs = Mapping[str, Callable[[Json | None, Json, Json | None], tuple[Issue, ...]]]
"""By type: (what the change was made of, where that is known; what is there; what was sent) → what differs, told beside the 412."""

Reserved = Mapping[str, Callable[[Json], bool]]
"""By type: is this resource the platform's alone to write, change and delete?"""

OnTimer = Callable[[str, str, Context], Awaitable[Sequence[Intent | Timer]]]
"""(holder, act, context) → what the platform writes when a timer is due, of own types; nothing, and the timer is gone.

A Timer among it is set for the same holder from now on."""


class Heard(msgspec.Struct, frozen=True):
    """A committed version that a listener's topic names; `resource` is None for a deletion."""

    type: str
    id: str
    version: int
    patient: str | None
    resource: Json | None


class Wake(msgspec.Struct, frozen=True):
    """A timer that follows from what was heard: due at once, or `due` later and set only where it is not there yet."""

    holder: str
    act: str
    due: datetime | None = None


Hears = Callable[[Sequence[Heard], Context], Awaitable[Sequence[Wake]]]
"""(what was committed, context) → the timers that follow. It may be asked again of the same, and what it does comes of the timers alone."""
