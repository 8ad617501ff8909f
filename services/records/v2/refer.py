"""REF^I12: a referral as a draft of the workflow, with what it still lacks named (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.elements import CANONICAL, concept
from services.records.v2.datatypes import numbered
from services.records.v2.faults import REQUIRED_FIELD, Place
from services.records.v2.person import person
from services.records.v2.work import Work

Json = dict[str, Any]

_OURS: Final = f"{CANONICAL}/CodeSystem"
_REFERRED_TO: Final = "RT"
_LACKS: Final = (
    ("identifier", Place("RF1", field=6), "the referral number 转诊编号", "转诊编号"),
    ("direction", Place("RF1", field=5), "the direction: up, down or lateral", "转诊方向"),
    ("performer", Place("PRD", field=7), "the receiving institution, by a code in the mapping's `institutions`", "接收机构（映射 institutions 中的代码）"),
    ("reasonCode", Place("RF1", field=10), "the reason", "转诊原因"),
)  # fmt: skip
_ALWAYS: Final = (
    ("the signature of a licensed physician (ServiceRequest.requester)", "执业医师签署"),
    ("the referral package (a document Bundle)", "转诊资料包"),
    ("the patient's consent", "患者同意书"),
)


async def referred(work: Work) -> None:
    """`Task/[id]/$submit` makes it a referral once it is complete."""
    patient = await person(work)
    filled = work.filled("RF1")
    elements: Json = dict(filled.elements)
    receiver = _receiver(work)
    number = elements.pop("identifier", None) or work.message.control_id
    request = _request(number, elements, patient, receiver, work)
    before = await work.there(
        "ServiceRequest", request["id"], patient, filled.places.get("identifier", Place("MSH", field=10))
    )
    if before is None or (before[0].get("status") == "draft" and _is_new(request, before[0])):
        work.replace(before, request, filled.places)
        if receiver and before is None:
            work.create(_task(request, patient, receiver, work), {})
    _tell(filled.elements | ({"performer": receiver} if receiver else {}), work)


def _request(number: str, elements: Json, patient: str, receiver: str | None, work: Work) -> Json:
    direction = elements.pop("direction", None)
    categories = [concept(f"{_OURS}/service-category", "referral", "双向转诊")]
    if direction:
        categories.append(concept(f"{_OURS}/referral-direction", direction))
    made: Json = {
        "resourceType": "ServiceRequest",
        "id": work.own_id("referral", number),
        "identifier": [numbered("RF1", number, work.here)],
        "requisition": numbered("RF1", number, work.here),
        "status": "draft",
        "intent": "order",
        "category": categories,
        "subject": {"reference": patient},
        "requester": work.here.itself,
        **elements,
    }
    return made | ({"performer": [{"reference": f"Organization/{receiver}"}]} if receiver else {})


def _is_new(request: Json, before: Json) -> bool:
    """Of what the message says; `meta` is the server's."""
    return any(before.get(name) != value for name, value in request.items())


def _task(request: Json, patient: str, receiver: str, work: Work) -> Json:
    return {
        "resourceType": "Task",
        "status": "draft",
        "businessStatus": concept(f"{_OURS}/referral-business-status", "draft", "草稿"),
        "intent": "order",
        "code": concept(f"{_OURS}/task-code", "referral", "双向转诊"),
        "focus": {"reference": f"ServiceRequest/{request['id']}"},
        "for": {"reference": patient},
        "authoredOn": work.request.at.astimezone(work.here.zone).isoformat(),
        "requester": work.here.itself,
        "owner": {"reference": f"Organization/{receiver}"},
    }


def _receiver(work: Work) -> str | None:
    """The id of the Organization that is referred to: PRD with the role RT."""
    for each in work.message.all("PRD"):
        if each.text(1) == _REFERRED_TO:
            codes = (value.part() for field in (7, 10) for value in each.all(field))
            return next((work.here.mapping.institutions[c] for c in codes if c in work.here.mapping.institutions), None)
    return None


def _tell(known: Json, work: Work) -> None:
    for name, place, english, chinese in _LACKS:
        if name not in known:
            work.warn(
                place, REQUIRED_FIELD, f"stored as a draft; it still lacks {english}", f"已存为草稿，尚缺{chinese}"
            )
    for english, chinese in _ALWAYS:
        work.warn(
            Place("RF1"), REQUIRED_FIELD, f"stored as a draft; it still lacks {english}", f"已存为草稿，尚缺{chinese}"
        )
