"""$validate: what would be said of a resource; nothing is stored: http://hl7.org/fhir/R4/resource-operation-validate.html"""

from typing import Final, Literal, get_args

import msgspec

from services.fhir.interactions.answers import present
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import prepare
from services.fhir.operations.inputs import Inputs, Json, invalid
from services.fhir.outcomes import FhirError, Issue, bad_request, operation_outcome
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.validation import examine, parse, validate
from services.fhir.validation.profiles import profile_check
from services.fhir.within_scopes import check_some

Mode = Literal["create", "update", "delete", "profile"]

_MODES: Final[tuple[Mode, ...]] = get_args(Mode)
_METHODS: Final[dict[Mode, Literal["POST", "PUT", "DELETE"]]] = {"create": "POST", "update": "PUT", "delete": "DELETE"}
_KNOWN: Final = frozenset({"mode", "profile", "resource"})
_PASSED_OVER: Final = frozenset({"_format", "_pretty"})
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Asked(msgspec.Struct, frozen=True):
    """What a request asks: about the resource that it brings, or about the stored one."""

    resource: Json | None
    mode: Mode | None
    profiles: tuple[str, ...]


async def validate_resource(request: FhirRequest, service: Service) -> Answer:
    asked = read_question(request)
    stored = None if asked.resource or asked.mode == "delete" else await _stored(request, service)
    resource = asked.resource or (parse((stored.body or "").encode(), request.type) if stored else None)
    issues = examine(resource, asked.profiles) if resource else ()
    if resource and all(issue.severity != "error" for issue in issues):
        issues += service.advise(resource)
    if all(issue.severity != "error" for issue in issues):
        issues += await _refusals(asked.mode, resource or {}, request, service)
    await service.stores.audit_log.record(request.audit("validate", 200, of=stored))
    return Answer(200, operation_outcome(issues))


def read_question(request: FhirRequest) -> Asked:
    """Take a bare resource, or a Parameters that brings one; whatever of it is not the resource must be right itself."""
    parts: list[Json] = [{"name": k, "valueString": v} for k, v in request.parameters if v and k not in _PASSED_OVER]
    resource: Json | None = None
    if request.method == "POST" and request.body and not request.is_form:
        request.check_json_body()
        resource = parse(request.body, None)
        if resource["resourceType"] == "Parameters":
            resource, others = _opened(resource)
            parts += others
    inputs = Inputs(parts)
    inputs.check_known(_KNOWN)
    if resource is not None and resource.get("resourceType") != request.type:
        raise invalid("resource", f"a {request.type} is expected here", f"此处应为 {request.type}")
    mode, profiles = _mode(inputs), tuple(inputs.texts("profile"))
    _check(mode, profiles, resource, request)
    return Asked(resource, mode, profiles)


def _opened(body: Json) -> tuple[Json | None, list[Json]]:
    """Take the resource out of the Parameters: its faults are the answer, those of the rest are the request's."""
    parts = body.get("parameter")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        validate(body)
        return None, []
    carriers = [part for part in parts if part.get("name") == "resource" and isinstance(part.get("resource"), dict)]
    others = [part for part in parts if part not in carriers]
    validate({**body, "parameter": others} if others else {k: v for k, v in body.items() if k != "parameter"})
    if len(carriers) > 1:
        raise invalid("resource", "given more than once", "重复给出")
    return (carriers[0]["resource"] if carriers else None), others


def _mode(inputs: Inputs) -> Mode | None:
    text = inputs.text("mode")
    for mode in _MODES:
        if text == mode:
            return mode
    if text is not None:
        raise invalid("mode", f"one of {', '.join(_MODES)}", "应为 create、update、delete 或 profile")
    return None


def _check(mode: Mode | None, profiles: tuple[str, ...], resource: Json | None, request: FhirRequest) -> None:
    """R4: a server that cannot validate against the nominated profile SHALL return an error."""
    if any(profile_check(url) is None for url in profiles):
        raise bad_request("profile: not known here", code="not-found", text="此处没有该规范")
    if mode == "profile" and not profiles:
        raise bad_request("profile: needed in mode profile", code="required", text="缺少规范的地址")
    if resource is None and not request.id:
        raise bad_request("resource: needed without an id", code="required", text="缺少要检查的资源")


async def _stored(request: FhirRequest, service: Service) -> Stored:
    """What is stored is examined for those who may read it."""
    check_some(request.caller, request.type, READ)
    return present(await service.stores.reading(lambda store: store.read(request.type, request.id)), request.type)


async def _refusals(mode: Mode | None, resource: Json, request: FhirRequest, service: Service) -> tuple[Issue, ...]:
    """Ask what the interaction itself would ask before its commit."""
    method = _METHODS.get(mode or "profile")
    if method is None:
        return ()
    resource_id = "" if method == "POST" else request.id or str(resource.get("id", ""))
    intent = Intent(method, request.type, resource_id, _encode(resource), request.if_match)
    try:
        await service.stores.reading(lambda store: prepare({0: intent}, store, service))
    except FhirError as error:
        return error.issues
    return ()
