"""$process-message: the four events of the Chinese inpatient-referral guide, each an act of the same table (docs/referral-workflow.md).

C01001 申请 → $refer, C01002 应答 → $accept or $reject, C01003 到诊 → $arrive, C01004 上传完整病历 → $supplement.
http://hl7.org/fhir/R4/messageheader-operation-process-message.html
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import uuid4

import jiter
import msgspec

from services.fhir.elements import id_in
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import CREATE, UPDATE
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.validation import parse, validate
from services.fhir.within_scopes import check_whole
from services.referral.codes import TASK_CODE
from services.referral.operations import accept, arrive, reject, supplement
from services.referral.operations.refer import refer_with
from services.referral.states import TERMINAL, state_of
from services.referral.submission import REFERRAL_NUMBER

Json = dict[str, Any]

EVENTS: Final = "http://CodeSystem.hl7fhir.cn/activity-code"
_NEEDS: Final = {
    "C01001": ("ServiceRequest", CREATE),
    "C01002": ("Task", UPDATE),
    "C01003": ("Task", UPDATE),
    "C01004": ("Task", UPDATE),
}


class Message:
    """The MessageHeader and what comes with it, by type."""

    def __init__(self, bundle: Json) -> None:
        found = [each["resource"] for each in bundle.get("entry", ()) if "resource" in each]
        self.header: Json = found[0] if found and found[0]["resourceType"] == "MessageHeader" else {}
        self.resources = found[1:]

    @property
    def event(self) -> str:
        coding = self.header.get("eventCoding", {})
        return str(coding.get("code", "")) if coding.get("system") == EVENTS else ""

    def first(self, resource_type: str) -> Json | None:
        return next((each for each in self.resources if each["resourceType"] == resource_type), None)

    @property
    def parts(self) -> list[Json]:
        """What the sender says in the terms of the operation itself, if it sends Parameters along."""
        return list((self.first("Parameters") or {}).get("parameter", ()))

    @property
    def number(self) -> str | None:
        """The 转诊编号, on whichever resource it stands."""
        named = (i for each in self.resources for i in _identifiers(each) if i.get("system") == REFERRAL_NUMBER)
        return next((i.get("value") for i in named), None)


async def process_message(request: FhirRequest, service: Service) -> Answer:
    message = Message(_content(request))
    act = ACTS.get(message.event)
    if act is None:
        raise unprocessable(
            f"MessageHeader.event is none of {', '.join(ACTS)} of {EVENTS}",
            code="not-supported",
            text="不支持该消息事件",
            expression=("MessageHeader.event",),
        )
    resource_type, letter = _NEEDS[message.event]
    check_whole(request.caller, resource_type, letter)
    answer = await act(message, request, service)
    return Answer(200, _response(message, answer, request, service))


def _content(request: FhirRequest) -> Json:
    """The Bundle itself, or the parameter `content`."""
    if b'"Parameters"' in request.body[:200]:
        content = read_inputs(request).resource("content", "Bundle") or {}
    else:
        request.check_json_body()
        content = parse(request.body, "Bundle")
        validate(content)
    if content.get("type") != "message":
        raise invalid("content", "a Bundle of the type message", "应为消息 Bundle")
    return content


async def _refer(message: Message, request: FhirRequest, service: Service) -> Answer:
    order, package, consent = (message.first(kind) for kind in ("ServiceRequest", "Bundle", "Consent"))
    named = (("request", order), ("package", package), ("consent", consent))
    parts = [{"name": name, "resource": each} for name, each in named if each]
    return await refer_with(Inputs([*parts, *message.parts]), request, service)


async def _reply(message: Message, request: FhirRequest, service: Service) -> Answer:
    """An AppointmentResponse: accepted with its time and its physician, or declined with the reason in its comment."""
    response = message.first("AppointmentResponse") or {}
    if response.get("participantStatus") == "declined":
        words = {"name": "reason", "valueString": response.get("comment", "")} if response.get("comment") else None
        coded = [] if message.parts else [{"name": "reason", "valueCode": "other"}]
        return await _invoke(reject.OPERATION, [*coded, *([words] if words else [])], message, request, service)
    parts: list[Json] = []
    if id_in(response.get("actor"), "Practitioner") or id_in(response.get("actor"), "PractitionerRole"):
        parts.append({"name": "physician", "valueReference": response["actor"]})
    if response.get("start") and response.get("end"):
        parts.append({"name": "window", "valuePeriod": {"start": response["start"], "end": response["end"]}})
    return await _invoke(accept.OPERATION, parts, message, request, service)


async def _arrived(message: Message, request: FhirRequest, service: Service) -> Answer:
    encounter = message.first("Encounter")
    parts: list[Json] = [{"name": "identity-verified", "valueBoolean": True}]
    if encounter is not None:
        parts.append({"name": "encounter", "resource": encounter})
    return await _invoke(arrive.OPERATION, parts, message, request, service)


async def _record(message: Message, request: FhirRequest, service: Service) -> Answer:
    package = message.first("Bundle")
    parts = [{"name": "package", "resource": package}] if package else []
    return await _invoke(supplement.OPERATION, parts, message, request, service)


async def _invoke(
    operation: Operation, parts: list[Json], message: Message, request: FhirRequest, service: Service
) -> Answer:
    """The operation of the act, as its caller would have invoked it."""
    own = {part["name"] for part in message.parts}
    given = [part for part in parts if part["name"] not in own] + message.parts
    body = msgspec.json.encode({"resourceType": "Parameters"} | ({"parameter": given} if given else {}))
    path = {"type": "Task", "id": await _task(message, service, request), "operation": operation.name}
    fields = {b"content-type": b"application/fhir+json"}
    inner = FhirRequest("POST", path, "", fields, body, request.caller, request.at)
    return await operation.handler(inner, service)


async def _task(message: Message, service: Service, request: FhirRequest) -> str:
    """The live Task of the referral that the message names, by its Task or by the 转诊编号."""
    focus = next((id_in(each, "Task") for each in message.header.get("focus", ()) if id_in(each, "Task")), None)
    if focus:
        return focus
    if message.number is None:
        raise invalid("content", "neither a Task in MessageHeader.focus nor a referral number", "消息未指明转诊")
    asked = [
        ("focus:ServiceRequest.identifier", f"{REFERRAL_NUMBER}|{message.number}"),
        ("code", f"{TASK_CODE}|referral"),
    ]
    query = parse_search("Task", asked, now=request.at, strict=True, base=service.base, zone=service.zone)
    page = await service.stores.reading(lambda store: store.search(query))
    bodies = {each.id: each.parsed() for each in page.matches}
    live = [name for name, body in bodies.items() if state_of(body) not in TERMINAL]
    if len(live) != 1:
        raise invalid("content", "no live referral of this number, or several", "没有该编号的在途转诊")
    return live[0]


def _identifiers(resource: Json) -> list[Json]:
    found = resource.get("identifier", [])
    return found if isinstance(found, list) else [found]


def _response(message: Message, answer: Answer, request: FhirRequest, service: Service) -> bytes:
    """The answer's own message: the Task as it is now, in response to the header's id."""
    task = jiter.from_json(answer.body, float_mode="decimal")
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": message.header["eventCoding"],
        "source": {"name": "Yiyang", "endpoint": service.base},
        "response": {"identifier": message.header.get("id", request.caller.request_id), "code": "ok"},
        "focus": [{"reference": f"Task/{task['id']}"}],
    }
    made = {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": request.at.isoformat(),
        "entry": [
            {"fullUrl": uuid4().urn, "resource": header},
            {"fullUrl": f"{service.base}/Task/{task['id']}", "resource": task},
        ],
    }
    return _encode(made)


Act = Callable[[Message, FhirRequest, Service], Awaitable[Answer]]
ACTS: Final[Mapping[str, Act]] = {"C01001": _refer, "C01002": _reply, "C01003": _arrived, "C01004": _record}
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

OPERATION: Final = Operation(
    "process-message",
    "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
    ("type",),
    ("MessageHeader",),
    process_message,
    affects_state=True,
    letters="",
)
