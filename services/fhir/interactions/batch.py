"""The batch interaction: entries are independent, each has its own status: http://hl7.org/fhir/R4/http.html#transaction"""

from typing import Final

from services.fhir.bundle import answer_entry, bundle
from services.fhir.interactions.envelope import Entry, at_entry, in_processing_order
from services.fhir.interactions.history import history
from services.fhir.interactions.read import read
from services.fhir.interactions.search import search
from services.fhir.interactions.vread import vread
from services.fhir.outcomes import FhirError, bad_request, forbidden, not_found, operation_outcome, unavailable
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import permissions
from services.fhir.service import Service
from services.kit.caller import HEADER, Caller, sign
from services.kit.peers import PeerUnavailable

_LETTERS: Final = {"POST": "c", "PUT": "u", "DELETE": "d"}


async def batch(request: FhirRequest, service: Service, entries: list[Entry]) -> Answer:
    answers = {e.index: await _answer(e, request, service) for e in in_processing_order(entries)}
    return Answer(200, bundle("batch-response", [answers[e.index] for e in entries]))


def check_scope(entry: Entry, caller: Caller) -> None:
    """What the gateway checks for a request of its own, checked for an entry."""
    letter = _LETTERS.get(entry.method) or ("r" if entry.id and entry.id[0] not in "_$" else "s")
    if not permissions(caller.scopes).allow(entry.type, letter):
        raise at_entry(
            forbidden(f"The token's scopes do not cover {entry.type}.{letter}", text="令牌权限不足"), entry.index
        )


async def _answer(entry: Entry, request: FhirRequest, service: Service) -> str:
    """One request to the owner of the type, as the gateway would make it."""
    try:
        check_scope(entry, request.caller)
        owner = await service.peers.directory.owner(entry.type)
        if owner is None:
            raise not_found("No such resource type", code="not-supported", text="不支持该资源类型")
        answer = await service.peers.call(
            owner, entry.method, f"/fhir/{entry.target}", _headers(entry, request, service), entry.raw
        )
    except FhirError as error:
        return answer_entry(error.status, {}, operation_outcome(error.issues))
    except PeerUnavailable as error:
        failure = unavailable(f"{error.service} does not answer")
        return answer_entry(failure.status, {}, operation_outcome(failure.issues))
    return answer_entry(answer.status, dict(answer.headers), answer.body)


def _headers(entry: Entry, request: FhirRequest, service: Service) -> list[tuple[bytes, bytes]]:
    signature = sign(
        request.caller, entry.method, f"/fhir/{entry.target}", entry.raw, service.internal_key, service.clock.seconds()
    )
    given = ((b"if-match", entry.if_match), (b"if-none-match", entry.if_none_match), (b"prefer", request.prefer))
    return [
        (HEADER.encode(), signature.encode()),
        (b"content-type", b"application/fhir+json"),
        *((name, value.encode("latin-1", "replace")) for name, value in given if value),
    ]


async def answer_read(entry: Entry, request: FhirRequest, service: Service) -> Answer:
    """A GET inside a transaction, done here on the tables as the transaction leaves them."""
    interaction = _READS.get((bool(entry.id) and entry.id != "_history", _kind(entry)))
    if interaction is None:
        raise bad_request(
            "A transaction can read, vread, search and ask for history", code="not-supported", text="事务中不支持该读取"
        )
    version = entry.rest.rpartition("/")[2]
    path = {"type": entry.type, "id": entry.id if entry.id != "_history" else "", "version": version}
    fields = {b"if-none-match": entry.if_none_match.encode()} if entry.if_none_match else {}
    return await interaction(FhirRequest("GET", path, entry.query, fields, b"", request.caller, request.at), service)


def _kind(entry: Entry) -> str:
    if entry.id == "_history" or entry.rest == "_history":
        return "history"
    return "version" if entry.rest.startswith("_history/") else "other" if entry.rest else "plain"


_READS: Final = {
    (True, "plain"): read,
    (True, "version"): vread,
    (True, "history"): history,
    (False, "history"): history,
    (False, "plain"): search,
}


def entry_of(answer: Answer) -> str:
    return answer_entry(answer.status, dict(answer.headers), answer.body)
