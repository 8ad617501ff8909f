"""ORM^O01: each ORC a ServiceRequest, by the placer's number: http://hl7.org/fhir/R4/servicerequest.html"""

from typing import Any, Final

from services.records.v2.datatypes import numbered
from services.records.v2.faults import UNKNOWN_KEY, Fault, NotTakenError
from services.records.v2.late import is_late_order, tell
from services.records.v2.message import Segment
from services.records.v2.person import person
from services.records.v2.work import Work

Json = dict[str, Any]

_WITH: Final = frozenset({"ORC", "TQ1", "OBR", "RXO", "NTE", "DG1"})
_ENDS: Final = frozenset({"revoked", "completed", "on-hold"})


async def ordered(work: Work) -> None:
    patient = await person(work)
    for group in work.message.groups("ORC", _WITH):
        await _order(group, patient, work)


async def _order(group: list[Segment], patient: str, work: Work) -> None:
    filled = work.filled("ORC", group)
    elements = dict(filled.elements)
    number = elements.pop("identifier")
    name = work.own_id("ServiceRequest", number)
    known = await work.there("ServiceRequest", name, patient, filled.places["identifier"])
    if known is None and elements["status"] in _ENDS:
        raise NotTakenError("AE", _unknown(filled.places["identifier"]))
    before = known[0] if known else None
    order: Json = (before or {"intent": "order", "authoredOn": None}) | {
        "resourceType": "ServiceRequest",
        "id": name,
        "identifier": [numbered("ORC", number, work.here)],
        "subject": {"reference": patient},
        **elements,
    }
    order.setdefault("requester", work.here.itself)
    order = {key: value for key, value in order.items() if value is not None}
    if before is not None and is_late_order(order, before):
        tell(filled.places["identifier"], work)
    elif order != before:
        work.replace(known, order, filled.places)


def _unknown(place: Any) -> Fault:
    return Fault(place, UNKNOWN_KEY, f"{place}: no order of this number is known", f"{place}：未找到该编号的医嘱")
