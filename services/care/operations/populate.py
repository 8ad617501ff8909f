"""Questionnaire/$populate: a response that is begun with what is on record, for a person to check and finish.

http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate

Of GB/T 42195 the events of risk of the last days (A.2.14) are counted, as far as the caller may see them; nothing is stored.
"""

from typing import Any, Final

import msgspec

from services.care.assessments.answers import answer_code
from services.care.assessments.grading import Instruments
from services.care.quality.events import answer_for, asked, counted, numbers
from services.care.scoring.instrument import Answer, Instrument
from services.fhir.interactions.answers import unknown
from services.fhir.operations.inputs import Inputs, invalid, read_inputs, resource_answer
from services.fhir.operations.operation import Handler
from services.fhir.request import Answer as HttpAnswer
from services.fhir.request import FhirRequest
from services.fhir.scopes import SEARCH
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.within_scopes import check_whole

Json = dict[str, Any]

MOST: Final = 500
_READ: Final = "AdverseEvent"


def populating(instruments: Instruments) -> Handler:
    by_name = {each.name: each for each in instruments.values()}

    async def populate(request: FhirRequest, service: Service) -> HttpAnswer:
        inputs = read_inputs(request)
        inputs.check_known({"subject"})
        instrument = by_name.get(request.id)
        if instrument is None:
            raise unknown("Questionnaire")
        check_whole(request.caller, _READ, SEARCH)
        patient = _patient(inputs)
        known = await _known(patient, instrument, request, service)
        return resource_answer(_begun(patient, instrument, known, request, service))

    return populate


def _patient(inputs: Inputs) -> str:
    element = inputs.element("subject")
    text = str(element.get("reference", "")) if element else inputs.text("subject") or ""
    if not text.startswith("Patient/"):
        raise invalid("subject", "Patient/id", "应为 Patient/编号")
    return text


async def _known(patient: str, instrument: Instrument, request: FhirRequest, service: Service) -> dict[str, Answer]:
    if instrument.url != counted().questionnaire:
        return {}
    criteria = asked(patient, request.at.astimezone(service.zone))
    query = parse_search(_READ, criteria, now=request.at, strict=True, base=service.base, zone=service.zone)
    page = await service.stores.reading(lambda store: store.search(msgspec.structs.replace(query, count=MOST)))
    await service.stores.audit_log.record(request.audit("populate", 200, about=[patient.partition("/")[2]]))
    found = numbers(map(Stored.parsed, page.matches))
    return {link_id: answer_for(number, link_id, instrument) for link_id, number in found.items()}


def _begun(
    patient: str, instrument: Instrument, known: dict[str, Answer], request: FhirRequest, service: Service
) -> Json:
    groups = [
        {"linkId": group.link_id, "item": items}
        for group in instrument.groups
        if (items := [_item(instrument, i.link_id, known[i.link_id]) for i in group.items if i.link_id in known])
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{instrument.url}|{instrument.version}",
        "status": "in-progress",
        "subject": {"reference": patient},
        "authored": request.at.astimezone(service.zone).isoformat(timespec="seconds"),
        **({"item": groups} if groups else {}),
    }


def _item(instrument: Instrument, link_id: str, answer: Answer) -> Json:
    value: Json = {"valueInteger": answer}
    if isinstance(answer, str):
        value = {"valueCoding": {"system": instrument.system, "code": answer_code(link_id, answer)}}
    return {"linkId": link_id, "answer": [value]}
