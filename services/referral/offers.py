"""What institutions offer: beds, number sources, and whose they are; never who is in a bed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jiter

from services.fhir.elements import id_in, reference_in
from services.fhir.request import FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store import holds
from services.referral.capacity import Free, Place, free_beds, free_slots, position_of

Json = dict[str, Any]

MOST: Final = 1000
"""Resources of one kind that are looked at; the answer says when there are more."""

OWNED: Final = {"HealthcareService": "providedBy", "Location": "managingOrganization"}
"""What a schedule may be of that is an institution's, and where that one says whose."""


class Look:
    """Reads the directory as the service that it is given: as the platform where only numbers are answered, else as the caller."""

    def __init__(self, request: FhirRequest, service: Service) -> None:
        self._request, self._service = request, service
        self.is_cut = False

    async def free(self, near: Place | None) -> list[Free]:
        asker, now = self._request.caller.organization, self._request.at
        beds = await self.search("Location", ("operational-status", "U"))
        slots = await self.search("Slot", ("status", "free"), ("start", f"ge{now.isoformat()}"))
        keys = [f"bed:Location/{each['id']}" for each in beds] + [f"slot:Slot/{each['id']}" for each in slots]
        held = await self.held(keys)
        by_beds = free_beds(beds, held, asker)
        by_slots = free_slots(slots, await self.owners(slots), held, asker)
        names = sorted({*by_beds, *by_slots})
        distances = await self._distances(names, near) if near else {}
        made = []
        for name in names:
            places, soonest = by_slots.get(name, (0, None))
            made.append(Free(name, by_beds.get(name, 0), places, soonest, distances.get(name)))
        return made

    async def offering(self, specialty: str) -> set[str]:
        found = await self.search("HealthcareService", ("specialty", specialty), ("active", "true"))
        return {owner for each in found if (owner := id_in(each.get("providedBy"), "Organization"))}

    async def waiting(self, schedules: Sequence[str], day: str) -> list[Json]:
        """Who is there for these schedules on a day."""
        asked = (("slot.schedule", ",".join(schedules)), ("status", "arrived,checked-in"), ("date", day))
        return await self.search("Appointment", *asked)

    def warning(self) -> list[Json]:
        text = f"多于 {MOST} 项，结果不全 · more than {MOST} of a kind, not all were looked at"
        return [{"name": "warning", "valueString": text}] if self.is_cut else []

    async def owners(self, slots: Sequence[Json]) -> dict[str, str]:
        """By schedule: the institution whose service, place or department it is of."""
        ids = sorted({reference_in(each.get("schedule")).partition("/")[2] for each in slots} - {""})
        schedules = await self.many("Schedule", ids)
        actors = {f"Schedule/{s['id']}": [reference_in(a) for a in s.get("actor", ())] for s in schedules}
        owners: dict[str, str] = {}
        for kind, element in OWNED.items():
            named = {name.partition("/")[2] for each in actors.values() for name in each if name.startswith(f"{kind}/")}
            for each in await self.many(kind, sorted(named)):
                if owner := id_in(each.get(element), "Organization"):
                    owners[f"{kind}/{each['id']}"] = owner
        return {name: owners[actor] for name, each in actors.items() for actor in each if actor in owners}

    async def _distances(self, organizations: Sequence[str], near: Place) -> dict[str, float]:
        if not organizations:
            return {}
        named = ",".join(f"Organization/{each}" for each in organizations)
        found: dict[str, float] = {}
        for each in await self.search("Location", ("organization", named)):
            place, owner = position_of(each), id_in(each.get("managingOrganization"), "Organization")
            if place and owner:
                found[owner] = min(place.distance(near), found.get(owner, float("inf")))
        return found

    async def search(self, resource_type: str, *asked: tuple[str, str]) -> list[Json]:
        service = self._service
        query = parse_search(
            resource_type,
            [*asked, ("_count", str(MOST))],
            now=self._request.at,
            strict=True,
            base=service.base,
            zone=service.zone,
        )
        page = await service.stores.reading(lambda store: store.search(query))
        self.is_cut |= page.next is not None
        return [each.parsed() for each in page.matches]

    async def many(self, resource_type: str, ids: Sequence[str]) -> list[Json]:
        found = await self._service.stores.reading(lambda store: store.read_many(resource_type, ids)) if ids else []
        return [jiter.from_json(each.body.encode()) for each in found if each.body]

    async def held(self, keys: Sequence[str]) -> Mapping[str, int]:
        at = self._request.at
        return await self._service.stores.reading(lambda store: store.run(holds.held, keys, at))
