"""What a patient's resources refer to and no patient owns: http://hl7.org/fhir/R4/patient-operation-everything.html

"The server SHOULD return … any related resources": practitioners, organizations, locations, medications, and what these refer to in
turn. A reference to another patient, or to a resource that tells of one, is never followed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from services.fhir.compartment import patient_types
from services.fhir.definitions import resource_types
from services.fhir.references import literal_references, relative
from services.fhir.scopes import permissions
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.fhir.store.tables import UNSTORED
from services.kit.caller import Caller

MAX_SUPPORTING: Final = 1000
_ROUNDS: Final = 4  # PractitionerRole → Location → Organization → the one that it is part of


async def supporting(
    resources: Sequence[Stored], types: Collection[str] | None, since: datetime | None, caller: Caller, service: Service
) -> tuple[list[Stored], bool]:
    """Each once and none that is in `resources`; True when there are more than `MAX_SUPPORTING`."""
    allowed = permissions(caller.scopes)
    followed = {t for t in resource_types() if t != "Patient" and t not in UNSTORED and allowed.allow_some(t, "rs")}
    seen = {f"{stored.type}/{stored.id}" for stored in resources}
    wanted = {name for stored in resources for name in _references(stored, service.base)} - seen
    found: list[Stored] = []
    for _ in range(_ROUNDS):
        seen |= wanted
        layer = {stored: _references(stored, service.base) for stored in await _read(wanted, followed, service)}
        kept = [stored for stored, names in layer.items() if not _tells_of_a_patient(stored, names)]
        found += kept
        wanted = {name for stored in kept for name in layer[stored]} - seen
    found = [s for s in found if (types is None or s.type in types) and (since is None or s.updated >= since)]
    return found[:MAX_SUPPORTING], len(found) > MAX_SUPPORTING


def _references(stored: Stored, base: str) -> set[str]:
    body = stored.parsed()
    return {relative(reference, f"{base}/") for reference in literal_references(body)}


def _tells_of_a_patient(stored: Stored, names: Iterable[str]) -> bool:
    return stored.type in patient_types() and any(name.startswith("Patient/") for name in names)


async def _read_all(ids: Mapping[str, list[str]], store: Store) -> list[Stored]:
    return [stored for resource_type, wanted in ids.items() for stored in await store.read_many(resource_type, wanted)]


async def _read(names: Iterable[str], followed: Collection[str], service: Service) -> list[Stored]:
    ids: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        resource_type, _, resource_id = name.partition("/")
        if resource_type in followed:
            ids[resource_type].append(resource_id)
    if not ids:
        return []
    found = await service.stores.reading(lambda store: _read_all(ids, store))
    return [stored for stored in found if not stored.is_deleted]
