"""What a deployable is made of, handed to every interaction: its types, its store, its peers and how it is seen from outside."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from services.fhir.access.access import access_of
from services.fhir.access.grants import Rule
from services.fhir.access.limits import limits_of
from services.fhir.business import Business, Differs, Guarded, Reserved
from services.fhir.outcomes import Issue, method_not_allowed, not_found
from services.fhir.served import Interaction, ServedType
from services.fhir.store.store import Stores
from services.kit.caller import NOBODY, Caller
from services.kit.clock import Clock
from services.kit.outbound import Outbound
from services.kit.peers import Peers

Advice = Callable[[dict[str, Any], datetime], tuple[Issue, ...]]
"""(a valid resource, now) → what there is to say of it; what is an error is for the business, and for $ingest, to refuse."""


class Service(msgspec.Struct, frozen=True):
    """`base` is the FHIR base that clients see; `zone` is that of date values without one.

    `openings` are the rules by which resources open a basis for a patient, which outlives its end by `grace`; `clearances` are the
    labels that organizations may see beyond what their purpose allows; `operations` are the service's own (operations/operation.py).
    `business` decides on what is written of governed types, `guarded` says which of them are changed only by who names the version,
    `reserved` what of its types is the platform's alone to write; `differs` tells who comes too late what has changed meanwhile.
    `advice` says, by type, what is odd about a resource and no reason to refuse it: told by $validate, and to who prefers an OperationOutcome.
    `keep_days` is how long what was answered under an Idempotency-Key is remembered, `keep_files` how long the files of a bulk job are; `caller` is for whom it works (`seen_by`).
    """

    name: str
    served: Mapping[str, ServedType]
    stores: Stores
    peers: Peers
    base: str
    zone: ZoneInfo
    internal_key: bytes
    clock: Clock
    max_entries: int
    openings: Mapping[str, Rule] = {}
    grace: timedelta = timedelta(days=30)
    clearances: Mapping[str, tuple[str, ...]] = {}
    operations: tuple[Any, ...] = ()
    business: Business | None = None
    guarded: Guarded | None = None
    outbound: Outbound = msgspec.field(default_factory=Outbound)
    reserved: Reserved = {}
    differs: Differs = {}
    keep_days: int = 7
    keep_files: timedelta = timedelta(hours=24)
    advice: Mapping[str, Advice] = {}
    search_seconds: float = 20.0
    caller: Caller = NOBODY

    def seen_by(self, caller: Caller) -> "Service":
        """The same service for one caller: whatever it reads or writes, it does as far as this caller may."""
        cleared = self.clearances.get(caller.organization, ())
        access = access_of(caller, self.clock.now(), cleared, limits_of(caller.scopes, self.base, self.zone))
        return msgspec.structs.replace(self, stores=self.stores.seen_by(access), caller=caller)

    def as_platform(self) -> "Service":
        """The same for the platform's own part of what this caller does: nothing is out of its reach."""
        return msgspec.structs.replace(self, stores=self.stores.as_platform())

    def governs(self, resource_type: str) -> bool:
        """Is the type an own one, on which the business decides?"""
        served = self.served.get(resource_type)
        return served is not None and served.governed and resource_type in self.stores.owned

    def advise(self, resource: dict[str, Any]) -> tuple[Issue, ...]:
        """What the service's own rules say of a resource that R4 accepts."""
        advice = self.advice.get(resource["resourceType"])
        return advice(resource, self.clock.now().astimezone(self.zone)) if advice else ()

    def check(self, resource_type: str, interaction: Interaction) -> None:
        """404 for a type that is not served here, 405 for an interaction that the type does not allow."""
        served = self.served.get(resource_type)
        if served is None:
            raise not_found("No such resource type here", code="not-supported", text="不支持该资源类型")
        if interaction not in served.interactions:
            raise method_not_allowed(f"{resource_type} does not allow {interaction}")

    async def all_types(self) -> list[str]:
        """Every type that this service or a peer serves, sorted."""
        listed = await self.peers.directory.served()
        return sorted({entry["type"] for served in listed.values() for entry in served} | self.served.keys())
