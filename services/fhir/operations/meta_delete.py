"""$meta-delete: http://hl7.org/fhir/R4/resource-operation-meta-delete.html"""

from typing import Any

from services.fhir.operations.labels import identity, relabel
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def meta_delete(request: FhirRequest, service: Service) -> Answer:
    return await relabel(request, service, "meta-delete", remaining)


def remaining(own: list[Any], given: list[Any]) -> list[Any]:
    """Deleting what is not there is no error."""
    gone = {identity(label) for label in given}
    return [label for label in own if identity(label) not in gone]
