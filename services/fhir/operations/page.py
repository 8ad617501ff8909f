"""Bundle/$page: a document as a page that people read, as PDF or HTML: docs/adr/0029, http://hl7.org/fhir/R4/documents.html#presentation"""

from services.fhir.access.grants import patient_in
from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import read_inputs
from services.fhir.outcomes import unprocessable
from services.fhir.pages.answer import page as drawn
from services.fhir.pages.answer import wanted
from services.fhir.pages.document import Document
from services.fhir.pages.whole import whole
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def page(request: FhirRequest, service: Service) -> Answer:
    """Whoever may read the Bundle may read its page."""
    kind = wanted(request)
    read_inputs(request).check_known(())
    stored = present(await service.stores.read("Bundle", request.id), "Bundle")
    document = Document(stored.parsed(), service.zone)
    if not document.composition:
        raise unprocessable(
            "Only a document has a page: a Bundle of type document with its Composition first",
            text="仅文档（document）可生成页面",
            expression=("Bundle.type",),
        )
    answer = await drawn(lambda: whole(document, request.at), kind, f"document-{request.id}", request.at)
    about = (patient_in(document.composition.get("subject")), stored.patient)
    await service.stores.audit_log.record(request.audit("page", 200, about=about))
    return answer
