"""Task/$slip: the national slip 双向转诊单 of a referral, as PDF or HTML: docs/adr/0029"""

from services.fhir.access.grants import patient_in
from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import read_inputs
from services.fhir.pages.answer import page, wanted
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.referral.slip.filled import slip as filled
from services.referral.slip.papers import papers


async def slip(request: FhirRequest, service: Service) -> Answer:
    """It holds what the caller may read now, and is remembered as a look at the patient, who is named on it."""
    kind = wanted(request)
    read_inputs(request).check_known(())
    stored = present(await service.stores.read("Task", request.id), "Task")
    task = stored.parsed()
    found = await papers(task, request, service)
    url = f"{service.base}/Task/{request.id}"
    answer = await page(lambda: filled(found, url, service.zone, request.at), kind, f"slip-{request.id}", request.at)
    await service.stores.audit_log.record(request.audit("slip", 200, about=(patient_in(task.get("for")),)))
    return answer
