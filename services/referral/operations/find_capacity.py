"""Slot/$find-capacity: institutions with free beds or number sources, by `specialty`, distance from `near`, and how soon (docs/referral-workflow.md)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jiter

from services.fhir.operations.inputs import invalid, parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store import holds
from services.referral.capacity import Free, Place, free_beds, free_slots, ordered, position_of
from services.referral.codes import id_in, reference_in
from services.referral.operations.acting import OURS

Json = dict[str, Any]

MOST: Final = 1000
"""Resources of one kind that are looked at; the answer says when there are more."""


async def find_capacity(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known({"specialty", "near", "count"})
    look = _Look(request, service)
    near = _place(inputs.text("near"))
    specialty = inputs.text("specialty")
    offering = await look.offering(specialty) if specialty else None
    found = [each for each in await look.free(near) if offering is None or each.organization in offering]
    await service.stores.audit_log.record(request.audit("find-capacity", 200))
    count = inputs.number("count") or 20
    return parameters(*(_part(each, service) for each in ordered(found)[:count]), *look.warning())


class _Look:
    """Reads the directory as the platform: what is answered are numbers, never who is in a bed."""

    def __init__(self, request: FhirRequest, service: Service) -> None:
        self._request, self._service = request, service.as_platform()
        self._is_cut = False

    async def free(self, near: Place | None) -> list[Free]:
        asker, now = self._request.caller.organization, self._request.at
        beds = await self._search("Location", ("operational-status", "U"))
        slots = await self._search("Slot", ("status", "free"), ("start", f"ge{now.isoformat()}"))
        keys = [f"bed:Location/{each['id']}" for each in beds] + [f"slot:Slot/{each['id']}" for each in slots]
        held = await self._held(keys)
        by_beds = free_beds(beds, held, asker)
        by_slots = free_slots(slots, await self._owners(slots), held, asker)
        names = sorted({*by_beds, *by_slots})
        distances = await self._distances(names, near) if near else {}
        made = []
        for name in names:
            places, soonest = by_slots.get(name, (0, None))
            made.append(Free(name, by_beds.get(name, 0), places, soonest, distances.get(name)))
        return made

    async def offering(self, specialty: str) -> set[str]:
        found = await self._search("HealthcareService", ("specialty", specialty), ("active", "true"))
        return {owner for each in found if (owner := id_in(each.get("providedBy"), "Organization"))}

    def warning(self) -> list[Json]:
        text = f"多于 {MOST} 项，结果不全 · more than {MOST} of a kind, not all were looked at"
        return [{"name": "warning", "valueString": text}] if self._is_cut else []

    async def _owners(self, slots: Sequence[Json]) -> dict[str, str]:
        """By schedule: the institution whose service, place or department it is of."""
        ids = sorted({reference_in(each.get("schedule")).partition("/")[2] for each in slots} - {""})
        schedules = await self._many("Schedule", ids)
        actors = {f"Schedule/{s['id']}": [reference_in(a) for a in s.get("actor", ())] for s in schedules}
        owners: dict[str, str] = {}
        for kind, element in (("HealthcareService", "providedBy"), ("Location", "managingOrganization")):
            named = {name.partition("/")[2] for each in actors.values() for name in each if name.startswith(f"{kind}/")}
            for each in await self._many(kind, sorted(named)):
                if owner := id_in(each.get(element), "Organization"):
                    owners[f"{kind}/{each['id']}"] = owner
        return {name: owners[actor] for name, each in actors.items() for actor in each if actor in owners}

    async def _distances(self, organizations: Sequence[str], near: Place) -> dict[str, float]:
        if not organizations:
            return {}
        named = ",".join(f"Organization/{each}" for each in organizations)
        found: dict[str, float] = {}
        for each in await self._search("Location", ("organization", named)):
            place, owner = position_of(each), id_in(each.get("managingOrganization"), "Organization")
            if place and owner:
                found[owner] = min(place.distance(near), found.get(owner, float("inf")))
        return found

    async def _search(self, resource_type: str, *asked: tuple[str, str]) -> list[Json]:
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
        self._is_cut |= page.next is not None
        return [jiter.from_json((each.body or "").encode()) for each in page.matches]

    async def _many(self, resource_type: str, ids: Sequence[str]) -> list[Json]:
        found = await self._service.stores.reading(lambda store: store.read_many(resource_type, ids)) if ids else []
        return [jiter.from_json(each.body.encode()) for each in found if each.body]

    async def _held(self, keys: Sequence[str]) -> Mapping[str, int]:
        at = self._request.at
        return await self._service.stores.reading(lambda store: store.run(holds.held, keys, at))


def _place(text: str | None) -> Place | None:
    """`latitude|longitude`, as Location's `near` has it: http://hl7.org/fhir/R4/location.html#positional"""
    if text is None:
        return None
    try:
        latitude, longitude = (float(part) for part in text.split("|")[:2])
    except ValueError as error:
        raise invalid("near", "latitude|longitude", "应为 纬度|经度") from error
    return Place(latitude, longitude)


def _part(free: Free, service: Service) -> Json:
    parts: list[Json] = [
        {"name": "organization", "valueReference": {"reference": f"Organization/{free.organization}"}},
        {"name": "free-beds", "valueInteger": free.beds},
        {"name": "free-slots", "valueInteger": free.slots},
    ]
    if free.soonest:
        parts.append({"name": "soonest", "valueDateTime": free.soonest.astimezone(service.zone).isoformat()})
    if free.distance is not None:
        parts.append({"name": "distance-km", "valueDecimal": round(free.distance, 1)})
    return {"name": "institution", "part": parts}


OPERATION: Final = Operation("find-capacity", f"{OURS}/Slot-find-capacity", ("type",), ("Slot",), find_capacity)
