"""$meta-add: http://hl7.org/fhir/R4/resource-operation-meta-add.html"""

from typing import Any

from services.fhir.operations.labels import identity, relabel
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service


async def meta_add(request: FhirRequest, service: Service) -> Answer:
    return await relabel(request, service, "meta-add", added)


def added(own: list[Any], given: list[Any]) -> list[Any]:
    """What is there stays as it is; what is new comes behind it, once."""
    known = {identity(label) for label in own}
    merged = [*own]
    for label in given:
        if identity(label) not in known:
            known.add(identity(label))
            merged.append(label)
    return merged
