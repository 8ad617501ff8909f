"""What the endpoints of OAuth have in common: strict forms come in, JSON goes out, errors in the words of RFC 6749, all remembered.

https://www.rfc-editor.org/rfc/rfc6749#section-5
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request, Response

from gateway.limits import BodyTooLargeError, read_body
from gateway.remember import Remember, caller_of
from gateway.request_id import request_id_of
from services.fhir.outcomes import FhirError
from services.kit.caller import Caller
from services.kit.database import DatabaseUnavailable
from services.kit.logging import log_failure

MAX_FORM_BYTES = 65_536
MAX_FIELDS = 100
_FORM = "application/x-www-form-urlencoded"
_NOT_STORED = {"cache-control": "no-store", "pragma": "no-cache"}

Form = dict[str, str]


class OAuthError(Exception):
    """An error of RFC 6749 §5.2: `error` from its list, a description that says what to mend."""

    def __init__(self, error: str, description: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


class Asked(msgspec.Struct):
    """One form, and by whom as far as that is known; `about` tells the audit what was asked for."""

    form: Form
    caller: Caller
    about: str | None = None

    def be(self, client: str, organization: str, practitioner: str | None = None, jti: str = "") -> None:
        """The asker has proved who it is."""
        self.caller = Caller(client, organization, practitioner, (), "", self.caller.request_id, jti)


Answer = Callable[[Asked], Awaitable[dict[str, Any]]]


def posted(act: str, answer: Answer, remember: Remember) -> Callable[[Request], Awaitable[Response]]:
    """Return the route of an endpoint. Its answer leaves when the act is remembered, or does not leave."""

    async def post(request: Request) -> Response:
        asked = Asked({}, caller_of(None, request_id_of(request.scope["headers"])))
        try:
            try:
                asked.form = await read_form(request)
                document = await answer(asked)
            except (OAuthError, FhirError) as error:
                status, about = _told(error)
                await remember(asked.caller, act, status, about=about)
                return _refusal(error)
            await remember(asked.caller, act, HTTPStatus.OK, about=asked.about)
            return json_answer(HTTPStatus.OK, document)
        except DatabaseUnavailable:
            return json_answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "temporarily_unavailable"})
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets OAuth JSON and no trace
            log_failure(f"{act}.failed", error, request_id=asked.caller.request_id)
            return json_answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "server_error"})

    return post


async def read_form(request: Request) -> Form:
    """Read the form strictly: a parameter twice, in the URL, or beside an Authorization header is refused."""
    if request.url.query or "authorization" in request.headers:
        raise OAuthError("invalid_request", "send everything in the form, nothing in the URL or in Authorization")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise OAuthError("invalid_request", f"the content type must be {_FORM}")
    try:
        body = await read_body(request.scope, request.receive, MAX_FORM_BYTES)
    except BodyTooLargeError as error:
        raise OAuthError("invalid_request", "the form is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from error
    return parse_form(body)


def parse_form(body: bytes) -> Form:
    """Return the parameters that have a value, or raise OAuthError; one that is given twice is an error (RFC 6749 §3.1)."""
    try:
        text = body.decode()
        pairs = parse_qsl(text, strict_parsing=bool(text), errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise OAuthError("invalid_request", "the parameters cannot be read") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthError("invalid_request", "a parameter is given twice")
    return form


def json_answer(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(document), status, {**_NOT_STORED, **(headers or {})}, "application/json")


def _told(error: OAuthError | FhirError) -> tuple[int, str]:
    return (error.status, error.error) if isinstance(error, OAuthError) else (error.status, error.issues[0].code)


def _refusal(error: OAuthError | FhirError) -> Response:
    if isinstance(error, OAuthError):
        return json_answer(error.status, {"error": error.error, "error_description": error.description})
    document = {"error": "temporarily_unavailable", "error_description": error.issues[0].diagnostics}
    return json_answer(error.status, document, error.headers)
