"""The batch interaction: entries are independent, each has its own status: http://hl7.org/fhir/R4/http.html#transaction"""

from collections.abc import Awaitable, Callable
from typing import Final

from services.fhir.bundle import answer_entry, bundle
from services.fhir.headers import FHIR_JSON
from services.fhir.interactions import idempotency
from services.fhir.interactions.envelope import Entry, Envelope, at_entry, in_processing_order
from services.fhir.interactions.history import history
from services.fhir.interactions.read import read
from services.fhir.interactions.search import search
from services.fhir.interactions.vread import vread
from services.fhir.outcomes import FhirError, bad_request, not_found, operation_outcome, unavailable
from services.fhir.patch import patch_in_entry
from services.fhir.request import ENTRY, Answer, FhirRequest
from services.fhir.scopes import ANY, READ, SEARCH
from services.fhir.service import Service
from services.fhir.within_scopes import check_some
from services.kit.caller import HEADER, Caller, sign
from services.kit.peers import PeerUnavailable

_LETTERS: Final = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}


async def batch(request: FhirRequest, service: Service, envelope: Envelope) -> Answer:
    answers = {n: _failure(error) for n, error in envelope.refused.items()}
    for entry in in_processing_order(envelope.entries):
        answers[entry.index] = await _answer(entry, request, service)
    await idempotency.mark_batch(service)
    return Answer(200, bundle("batch-response", [answers[n] for n in range(envelope.count)]))


def check_scope(entry: Entry, caller: Caller) -> None:
    """What the gateway checks for a request of its own, checked for an entry; an operation's owner checks what that one needs."""
    if not entry.is_operation:
        letters = _LETTERS.get(entry.method) or (READ if entry.id else SEARCH)
        check_some(caller, entry.type or ANY, letters)


def check_entry_scope(entry: Entry, caller: Caller) -> None:
    try:
        check_scope(entry, caller)
    except FhirError as error:
        raise at_entry(error, entry.index) from error


async def _answer(entry: Entry, request: FhirRequest, service: Service) -> str:
    """One request to the owner of the type, as the gateway would make it."""
    try:
        check_scope(entry, request.caller)
        owner = await service.peers.directory.owner(entry.type) if entry.type else service.name
        if owner is None:
            raise not_found("No such resource type", code="not-supported", text="不支持该资源类型")
        kind, body = patch_in_entry(entry.resource, entry.raw) if entry.method == "PATCH" else (FHIR_JSON, entry.raw)
        headers = _headers(entry, kind, body, request, service)
        answer = await service.peers.call(owner, entry.method, f"/fhir/{entry.target}", headers, body)
    except FhirError as error:
        return _failure(error)
    except PeerUnavailable as error:
        return _failure(unavailable(f"{error.service} does not answer"))
    return answer_entry(answer.status, dict(answer.headers), answer.body)


def _failure(error: FhirError) -> str:
    return answer_entry(error.status, {}, operation_outcome(error.issues))


def _headers(entry: Entry, kind: str, body: bytes, request: FhirRequest, service: Service) -> list[tuple[bytes, bytes]]:
    signature = sign(
        request.caller, entry.method, f"/fhir/{entry.target}", body, service.internal_key, service.clock.seconds()
    )
    key = idempotency.of_entry(request.header(idempotency.HEADER), entry.index) if entry.changes_state else None
    given = (*entry.conditions, (b"prefer", request.prefer or None), (idempotency.HEADER, key or None))
    return [
        (HEADER.encode(), signature.encode()),
        (b"content-type", kind.encode()),
        (ENTRY, b"1"),
        *((name, value.encode()) for name, value in given if value is not None),
    ]


async def answer_read(entry: Entry, request: FhirRequest, service: Service) -> Answer:
    """A GET inside a transaction, done here on the tables as the transaction leaves them."""
    path = {"type": entry.type, "id": entry.id, "version": entry.rest.rpartition("/")[2]}
    fields = {name: value.encode() for name, value in entry.conditions if value is not None}
    read_ = FhirRequest("GET", path, entry.query, fields, b"", request.caller, request.at)
    answer = await _reading(entry)(read_, service)
    return Answer(answer.status, b"", answer.headers) if entry.method == "HEAD" else answer


def _reading(entry: Entry) -> Callable[[FhirRequest, Service], Awaitable[Answer]]:
    if entry.rest == "_history":
        return history
    if entry.id and entry.rest.startswith("_history/"):
        return vread
    if entry.type and not entry.rest:
        return read if entry.id else search
    raise bad_request(
        "A transaction can read, vread, search and ask for history", code="not-supported", text="事务中不支持该读取"
    )


def entry_of(answer: Answer) -> str:
    return answer_entry(answer.status, dict(answer.headers), answer.body)
