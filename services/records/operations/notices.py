"""The notice to the institutions that care for a patient, when another one gets in: http://hl7.org/fhir/R4/communication.html"""

from collections.abc import Sequence
from typing import Any

from services.fhir.access.notices import notice as access_notice
from services.fhir.interactions.intent import created
from services.fhir.interactions.owners import prepare_all
from services.fhir.interactions.prepare import Prepared
from services.fhir.request import FhirRequest
from services.fhir.service import Service

Json = dict[str, Any]


async def notice(
    patient: str, recipients: Sequence[str], text: str, request: FhirRequest, service: Service
) -> Prepared:
    """The Communication, prepared by its owner; none where nobody is to be told."""
    if not recipients:
        return Prepared()
    told = access_notice(patient, recipients, request.caller.organization, text, request.at)
    return await prepared(told, request, service)


async def prepared(resource: Json, request: FhirRequest, service: Service) -> Prepared:
    """One more version of this commit, prepared by the owner of its type."""
    return (await prepare_all({0: created(resource)}, request.caller, service)).beside()
