"""The FHIR routes: few and parametrised, the same for every type: http://hl7.org/fhir/R4/http.html#summary

They are plain ASGI endpoints. A request is read, its Caller's signature checked, and whatever goes wrong at any later door becomes one
OperationOutcome here (docs/adr/0008).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.routing import Route

from services.fhir.audit.refusals import remember_refusal
from services.fhir.body import pretty
from services.fhir.bulk.kick_off import JOB
from services.fhir.bulk.status import cancel, job_file, status
from services.fhir.headers import FHIR_JSON, check_accept
from services.fhir.interactions.bundles import post_bundle
from services.fhir.interactions.create import create
from services.fhir.interactions.delete import conditional_delete, delete
from services.fhir.interactions.history import history
from services.fhir.interactions.idempotency import once
from services.fhir.interactions.owners import PREPARE, answer_prepare
from services.fhir.interactions.patch import conditional_patch, patch
from services.fhir.interactions.raw import BINARY
from services.fhir.interactions.read import read
from services.fhir.interactions.search import search, search_by_post
from services.fhir.interactions.search_all import (
    search_compartment,
    search_compartment_by_post,
    search_system,
    search_system_by_post,
)
from services.fhir.interactions.update import conditional_update, update
from services.fhir.interactions.vread import vread
from services.fhir.metadata import capabilities
from services.fhir.national_ids import check_url
from services.fhir.operations.invoke import invoke, leaves_something
from services.fhir.outcomes import (
    FhirError,
    internal_error,
    method_not_allowed,
    not_found,
    operation_outcome,
    unauthorized,
    unavailable,
)
from services.fhir.reindexing import Learner
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.kit.caller import HEADER, NOBODY, Caller, CallerRefusedError, verify
from services.kit.database import DatabaseUnavailable
from services.kit.logging import log_failure
from services.kit.metrics import Measured, Metrics
from services.kit.peers import PeerUnavailable

Handler = Callable[[FhirRequest, Service], Awaitable[Answer]]

INVOKE: Final[Mapping[str, Handler]] = {"GET": invoke, "POST": invoke}
FHIR_ROUTES: Final[tuple[tuple[str, Mapping[str, Handler]], ...]] = (
    ("/fhir/metadata", {"GET": capabilities}),
    ("/fhir", {"GET": search_system, "POST": post_bundle}),
    ("/fhir/_search", {"POST": search_system_by_post}),
    ("/fhir/_history", {"GET": history}),
    (f"/fhir/{JOB}/{{id}}", {"GET": status, "DELETE": cancel}),
    (f"/fhir/{JOB}/{{id}}/{{file}}", {"GET": job_file}),
    ("/fhir/${operation}", INVOKE),
    ("/fhir/{type}/${operation}", INVOKE),
    ("/fhir/{type}/{id}/${operation}", INVOKE),
    (
        "/fhir/{type}",
        {
            "GET": search,
            "POST": create,
            "PUT": conditional_update,
            "PATCH": conditional_patch,
            "DELETE": conditional_delete,
        },
    ),
    ("/fhir/{type}/_search", {"POST": search_by_post}),
    ("/fhir/{type}/_history", {"GET": history}),
    ("/fhir/{type}/{id}", {"GET": read, "PUT": update, "PATCH": patch, "DELETE": delete}),
    ("/fhir/{type}/{id}/_history", {"GET": history}),
    ("/fhir/{type}/{id}/_history/{version}", {"GET": vread}),
    ("/fhir/{type}/{id}/_search", {"POST": search_compartment_by_post}),
    ("/fhir/{type}/{id}/{inner}", {"GET": search_compartment}),
    ("/fhir/{type}/{id}/{inner}/_search", {"POST": search_compartment_by_post}),
    (PREPARE, {"POST": answer_prepare}),
)
POSTED: Final = frozenset({post_bundle, create})
WRITES: Final = frozenset({create, update, patch, delete, conditional_update, conditional_patch, conditional_delete})
PUBLIC: Final = frozenset({capabilities})
OTHER_MEDIA: Final = frozenset({job_file, invoke})  # what they answer is not always FHIR JSON; they look for themselves
CONTENT: Final = frozenset({read, vread})  # of a Binary the content itself
_CALLER: Final = HEADER.encode()
_JSON: Final = (b"content-type", f"{FHIR_JSON}; charset=utf-8".encode())


def fhir_routes(service: Service, learner: Learner, metrics: Metrics) -> list[Route]:
    return [Route(path, Measured(Endpoint(methods, service, learner), metrics, path)) for path, methods in FHIR_ROUTES]


def is_remembered(handler: Handler, request: FhirRequest, service: Service) -> bool:
    """Is it a POST that may leave something, or any write of a batch? What only asks is asked again, whatever its key."""
    if handler is invoke:
        return request.method == "POST" and leaves_something(request, service)
    return handler in WRITES if request.is_entry else handler in POSTED


class Endpoint:
    """One path and its methods, as an ASGI app."""

    def __init__(self, methods: Mapping[str, Handler], service: Service, learner: Learner) -> None:
        self._methods = methods
        self._service = service
        self._learner = learner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(receive)
        answer = await self._answer(scope, body)
        is_json = not any(name == b"content-type" for name, _ in answer.headers)
        whole = pretty(answer.body) if is_json and b"_pretty=true" in scope["query_string"] else answer.body
        content = b"" if scope["method"] == "HEAD" else whole
        headers = [*answer.headers, (b"content-length", str(len(whole)).encode())]
        if whole and is_json:
            headers.append(_JSON)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Any, body: bytes) -> Answer:
        try:
            return await self._run(scope, body)
        except FhirError as error:
            failure = error
        except DatabaseUnavailable:
            failure = unavailable("The database does not answer; retry", headers={"Retry-After": "1"})
        except PeerUnavailable as error:
            failure = unavailable(f"{error.service} does not answer; retry", headers={"Retry-After": "1"})
        except Exception as error:  # noqa: BLE001 - the one place where the unexpected ends, without a trace for the client
            log_failure("request.failed", error, service=self._service.name)
            failure = internal_error("Unexpected failure")
        headers = tuple((name.lower().encode(), value.encode()) for name, value in failure.headers.items())
        return Answer(failure.status, operation_outcome(failure.issues), headers)

    async def _run(self, scope: Any, body: bytes) -> Answer:
        handler = self._handler(scope["method"])
        fields = _combined(scope["headers"])
        query = scope["query_string"].decode("latin-1")
        caller = NOBODY if handler in PUBLIC else self._caller(scope, fields, body)
        if b"%00" in scope["raw_path"]:
            raise not_found("No path holds U+0000", text="没有这个地址")
        if handler not in OTHER_MEDIA and not (handler in CONTENT and scope["path_params"]["type"] == BINARY):
            check_accept(fields.get(b"accept", b"").decode("latin-1"), query)
        if handler not in PUBLIC:
            await self._learner.fresh()
        now = self._service.clock.now()
        request = FhirRequest(scope["method"], scope["path_params"], query, fields, body, caller, now)
        service = self._service.seen_by(caller)
        if query and not request.is_entry:
            check_url(query)
        try:
            if request.has_key and is_remembered(handler, request, service):
                return await once(handler, request, service)
            return await handler(request, service)
        except FhirError as error:
            await remember_refusal(error.status, request, handler.__name__, service)
            raise

    def _handler(self, method: str) -> Handler:
        handler = self._methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise method_not_allowed(f"{method} is not supported here", headers={"Allow": ", ".join(self._methods)})
        return handler

    def _caller(self, scope: Any, fields: Mapping[bytes, bytes], body: bytes) -> Caller:
        """Services trust only the gateway's signature, never a header or a network place (docs/adr/0008)."""
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        signature = fields.get(_CALLER, b"").decode("latin-1")
        try:
            return verify(
                signature,
                scope["method"],
                target.decode("latin-1"),
                body,
                self._service.internal_key,
                self._service.clock.seconds(),
            )
        except CallerRefusedError as error:
            raise unauthorized("This service answers the gateway only", text="请通过网关访问") from error


def _combined(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """A field that comes on several lines is one list: https://www.rfc-editor.org/rfc/rfc9110#section-5.3"""
    fields = dict(headers)
    if len(fields) == len(headers):
        return fields
    return {name: b", ".join(value for n, value in headers if n == name) for name in fields}


async def read_body(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body
