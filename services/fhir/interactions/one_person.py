"""One Patient per person: a create that meets the 身份证 of a patient within reach means that patient (docs/adr/0032)."""

from typing import Any

from services.fhir.access.identity import identities_of
from services.fhir.access.persons import contradicts
from services.fhir.interactions.answers import of_write
from services.fhir.outcomes import conflict
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store import registration
from services.fhir.store.grants import KnownPerson
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.fhir.validation import parse

Json = dict[str, Any]


async def answer_known(known: KnownPerson, request: FhirRequest, service: Service) -> Answer:
    """As a conditional create that matched: 200, and nothing written. Out of reach it is the refusal that it was."""
    stored = await service.stores.read("Patient", known.patient)
    if stored is None or stored.is_deleted:
        raise known
    _check_same(parse(request.body, "Patient"), stored)
    await service.stores.audit_log.record(request.audit("create", 200, of=stored))
    return of_write(request, stored, service)


async def known_to(store: Store, service: Service, patient: Json) -> Stored | None:
    """The patient within reach who has a strong identifier of this one."""
    keys = identities_of(patient)
    holder = await store.run(registration.holder, keys, service.stores.vault) if keys else None
    stored = await store.read("Patient", holder) if holder else None
    if stored is None or stored.is_deleted:
        return None
    _check_same(patient, stored)
    return stored


def _check_same(stated: Json, stored: Stored) -> None:
    if contradicts(stated, stored.parsed()):
        raise conflict(
            f"This identifier is that of Patient/{stored.id}, whose name or birth date is another; check the number, or change that record",
            code="duplicate",
            text="该证件号码已属于另一档案，且姓名或出生日期不一致，请核对号码",
            expression=("Patient.identifier",),
        )
