"""Patient/$break-glass: a look at one record in an emergency, for four hours, and somebody who asks why (docs/adr/0011).

https://profiles.ihe.net/ITI/BPPC and the purpose of use BTG; the reason stands in the Task of the review.
"""

from datetime import timedelta
from typing import Any, Final

import msgspec

from services.fhir.access.grants import Opening, Opens
from services.fhir.access.identity import identity
from services.fhir.access.notices import review
from services.fhir.access.purposes import BREAK_GLASS
from services.fhir.interactions.commit import decided_again, put
from services.fhir.interactions.prepare import Prepared, together
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.outcomes import forbidden, not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store import registration
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.records.operations.notices import notice, prepared

Json = dict[str, Any]

HOURS: Final = timedelta(hours=4)
SHORTEST_REASON: Final = 4


async def break_glass(request: FhirRequest, service: Service) -> Answer:
    """The Patient; every access that follows under the purpose BTG is seen as one by the audit."""
    if request.caller.purpose != BREAK_GLASS:
        raise forbidden("State the purpose BTG in X-Purpose", text="须以紧急访问目的（BTG）提出")
    inputs = read_inputs(request)
    inputs.check_known({"patient", "identifier", "reason"})
    reason = (inputs.text("reason") or "").strip()
    if len(reason) < SHORTEST_REASON:
        raise invalid("reason", "why this record is needed now", "须说明紧急访问的理由")
    patient = await _patient(inputs, request, service)
    holders = await service.stores.reading(lambda store: store.run(registration.holders, patient.id, request.at))
    recipients = [each for each in holders if each != request.caller.organization]
    text = f"机构 {request.caller.organization} 以紧急访问方式查阅了档案，须在 24 小时内复核。"

    async def attempt() -> Answer:
        review = await _review(patient, reason, recipients, request, service)
        told = await notice(patient.id, recipients, text, request, service)
        return await service.stores.as_platform().committing_once(lambda store: work(store, together((review, told))))

    async def work(store: Store, prepared: Prepared) -> Answer:
        put(store, prepared, service)
        store.audit(request.audit("break-glass", 200, of=patient))
        return Answer(200, (patient.body or "").encode())

    return await decided_again(attempt, service)


async def _patient(inputs: Inputs, request: FhirRequest, service: Service) -> Stored:
    name, stated = inputs.text("patient"), inputs.text("identifier")
    if bool(name) is bool(stated):
        raise invalid("patient", "either a reference or a strong identifier system|value", "须提供患者引用或证件号码")
    if name:
        resource_id = name.removeprefix("Patient/")
        found = await service.stores.reading(
            lambda store: store.run(registration.by_id, resource_id, service.stores.vault)
        )
    else:
        system, _, value = (stated or "").partition("|")
        key = identity(system, value) or ""
        found = await service.stores.reading(lambda store: store.run(registration.find, key, service.stores.vault))
    if found is None:
        await service.stores.audit_log.record(request.audit("break-glass", 404))
        raise not_found("No such Patient", text="未找到该患者")
    return found


async def _review(patient: Stored, reason: str, holders: list[str], request: FhirRequest, service: Service) -> Prepared:
    """The queue of the review: the institution that cares for the patient, else the platform's own."""
    organization = request.caller.organization
    task = review("break-glass-review", "紧急访问复核", reason, patient.id, organization, holders, request.at)
    opening = Opening(
        patient.id,
        organization,
        "break-glass",
        request.at,
        request.at + HOURS,
        purposes=(BREAK_GLASS,),
        may_write=False,
        founds=False,
        overrides=True,
    )
    asked = await prepared(task, request, service)
    opened = tuple(msgspec.structs.replace(write, opens=Opens((opening,))) for write in asked.also)
    return msgspec.structs.replace(asked, also=opened)
