"""Answers that several interactions give alike: http://hl7.org/fhir/R4/http.html#general"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from services.fhir.bundle import SAVED, STORED
from services.fhir.headers import http_date, preferred_return
from services.fhir.outcomes import FhirError, gone, not_found, operation_outcome
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.fhir.validation import parse

# Nobody between keeps a patient's data, and the client asks with If-None-Match: RFC 9111 §5.2.2.4, §5.2.2.7
_ASK_AGAIN: Final = (b"cache-control", b"private, no-cache")


def unknown(resource_type: str) -> FhirError:
    return not_found(f"No such {resource_type}", text="未找到该资源")


def deleted(stored: Stored) -> FhirError:
    return gone(f"This {stored.type} was deleted", headers={"ETag": stored.etag})


def present(stored: Stored | None, resource_type: str) -> Stored:
    """What there is to work on: 404 for what is not there, 410 for what was deleted."""
    if stored is None:
        raise unknown(resource_type)
    if stored.is_deleted:
        raise deleted(stored)
    return stored


def version_headers(stored: Stored) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"etag", stored.etag.encode()), (b"last-modified", http_date(stored.updated).encode()), _ASK_AGAIN)


def of_stored(stored: Stored, status: int = 200) -> Answer:
    return Answer(status, (stored.body or "").encode(), version_headers(stored))


def location(stored: Stored) -> str:
    return f"{stored.type}/{stored.id}/_history/{stored.version}"


def of_write(request: FhirRequest, stored: Stored | None, service: Service) -> Answer:
    """http://hl7.org/fhir/R4/http.html#return: the resource unless the client prefers less; a deletion has none, and may have no version."""
    if stored is None or stored.is_deleted:
        return Answer(204, b"", ((b"etag", stored.etag.encode()),) if stored else ())
    status = 201 if stored.is_created else 200
    headers = (*version_headers(stored), (b"location", f"{service.base}/{location(stored)}".encode()))
    match preferred_return(request.prefer):
        case "minimal":
            return Answer(status, b"", headers)
        case "OperationOutcome":
            return Answer(status, _told(stored, service), headers)
        case _:
            return Answer(status, (stored.body or "").encode(), headers)


def _told(stored: Stored, service: Service) -> bytes:
    """That it is stored, and what is odd about it: what is stored is no error."""
    issues = service.advise(parse((stored.body or "").encode(), stored.type)) if stored.type in service.advice else ()
    issues = tuple(replace(each, severity="warning") if each.severity == "error" else each for each in issues)
    return operation_outcome([STORED, *issues]) if issues else SAVED


def written(
    interaction: str, request: FhirRequest, service: Service, query: str | None = None
) -> Callable[[Store, Stored | None], Answer]:
    """The end of a write: what is answered, and its audit row in the commit."""

    def finish(store: Store, stored: Stored | None) -> Answer:
        answer = of_write(request, stored, service)
        store.audit(request.audit(interaction, answer.status, of=stored, query=query))
        return answer

    return finish
