"""What a deployable is made of, handed to every interaction: its types, its store, its peers and how it is seen from outside."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from services.fhir.outcomes import method_not_allowed, not_found
from services.fhir.served import Interaction, ServedType
from services.fhir.store.store import Stores
from services.kit.clock import Clock
from services.kit.peers import Peers


class Service(msgspec.Struct, frozen=True):
    """`base` is the FHIR base that clients see; `zone` is that of date values without one."""

    name: str
    served: Mapping[str, ServedType]
    stores: Stores
    peers: Peers
    base: str
    zone: ZoneInfo
    internal_key: bytes
    clock: Clock
    max_entries: int

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
