"""A Binary as the content that it is: read in its own type, written by sending it as it is: docs/adr/0045, http://hl7.org/fhir/R4/binary.html#rest

Who asks for FHIR, or for the answer inside of a Bundle, gets the resource.
"""

import base64
from typing import Any, Final

import msgspec

from services.fhir.headers import FHIR_JSON, JSON_TYPES, check_content_type, media
from services.fhir.outcomes import unsupported_media
from services.fhir.request import Answer, FhirRequest

Json = dict[str, Any]

BINARY: Final = "Binary"
CONTEXT: Final = b"x-security-context"
_FHIR: Final = (FHIR_JSON, "application/json", "text/json")
_UNNAMED: Final = (
    "content/itself"  # of content that is JSON: who names JSON means FHIR, who takes anything gets the content
)
_NO_CONTENT: Final = frozenset({"application/fhir+xml", "application/x-www-form-urlencoded", "multipart/form-data", ""})
# Nothing of it runs in a browser, and nobody between keeps it.
_GUARD: Final = (
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-disposition", b"attachment"),
    (b"vary", b"Accept"),
)


class _Binary(msgspec.Struct):
    contentType: str  # noqa: N815 - the name of the element
    data: str = ""
    securityContext: dict[str, Any] = {}  # noqa: N815


def received(request: FhirRequest) -> bytes:
    """The resource that a create or an update sends, as FHIR JSON."""
    kind = request.header(b"content-type")
    bare = kind.partition(";")[0].strip().lower()
    if request.type != BINARY or bare in JSON_TYPES or request.is_entry:
        check_content_type(kind)
        return request.body
    if bare in _NO_CONTENT or "/" not in bare:
        raise unsupported_media("Send the content under its own type, or a Binary as application/fhir+json")
    return msgspec.json.encode(_wrapped(request, kind))


def _wrapped(request: FhirRequest, kind: str) -> Json:
    context = request.header(CONTEXT)
    return {
        "resourceType": BINARY,
        **({"id": request.id} if request.id else {}),
        "contentType": " ".join(kind.split()),
        **({"securityContext": {"reference": context}} if context else {}),
        **({"data": base64.b64encode(request.body).decode()} if request.body else {}),
    }


def native(request: FhirRequest, answer: Answer) -> Answer:
    """The answer to a read of a Binary, in the form that the client takes; 406 where it takes neither. A part of one is FHIR's."""
    is_a_part = "_summary=" in request.query or "_elements=" in request.query
    if request.type != BINARY or request.is_entry or is_a_part or not answer.body:
        return answer
    there = msgspec.json.decode(answer.body, type=_Binary)
    own = there.contentType.partition(";")[0].strip().lower()
    offered = (own if own not in _FHIR else _UNNAMED, *_FHIR)
    if media(request.header(b"accept"), request.query, offered) in _FHIR:
        return answer
    return Answer(answer.status, base64.b64decode("".join(there.data.split())), (*answer.headers, *_headers(there)))


def _headers(there: _Binary) -> tuple[tuple[bytes, bytes], ...]:
    """No text of a resource ends a header."""
    context = "".join(str(there.securityContext.get("reference", "")).split())
    return (
        (b"content-type", " ".join(there.contentType.split()).encode("ascii", "replace")),
        *(((CONTEXT, context.encode("ascii", "replace")),) if context else ()),
        *_GUARD,
    )
