"""The one patient that an operation is about, with the records that were merged into this one: http://hl7.org/fhir/R4/patient.html#links"""

from typing import Final

import msgspec

from services.fhir.interactions.answers import deleted, unknown
from services.fhir.request import FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored

MAX_MERGED: Final = 50


class _Other(msgspec.Struct):
    reference: str = ""


class _Link(msgspec.Struct):
    other: _Other
    type: str


class _Linked(msgspec.Struct):
    link: list[_Link] = []


async def the_patient(request: FhirRequest, service: Service) -> Stored:
    """404 or 410, remembered as a look, where there is none within reach."""
    stored = await service.stores.read("Patient", request.id)
    if stored is None or stored.is_deleted:
        await service.stores.audit_log.record(request.audit(request.operation, 410 if stored else 404, of=stored))
        raise deleted(stored) if stored else unknown("Patient")
    return stored


async def whose(patient: Stored, service: Service) -> tuple[str, ...]:
    """The ids of the patient, of the records that it replaces, and of those that these replace."""
    found, waiting = [patient.id], [patient]
    while waiting and len(found) < MAX_MERGED:
        links = msgspec.json.decode((waiting.pop(0).body or "{}").encode(), type=_Linked).link
        replaced = [link.other.reference.removeprefix("Patient/") for link in links if link.type == "replaces"]
        new = [each for each in replaced if each not in found]
        found += new
        stored = [await service.stores.read("Patient", each) for each in new]
        waiting += [each for each in stored if each]
    return tuple(found)
