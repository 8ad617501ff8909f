"""The token endpoint of SMART Backend Services, with introspection and revocation of a client's own tokens.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html · https://www.rfc-editor.org/rfc/rfc6749#section-5
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Request, Response

from gateway.assertions import AssertionCheck, AssertionRefusedError
from gateway.backend_client import ASSERTION_TYPE
from gateway.limits import BodyTooLargeError, read_body
from gateway.registry import Client, Revocations
from gateway.tokens import AccessTokens, Session, TokenRefusedError
from services.fhir.scopes import ScopeError, narrow, parse_scopes
from services.kit.clock import Clock
from services.kit.database import DatabaseUnavailable
from services.kit.logging import log, log_failure

MAX_FORM_BYTES = 65_536
MAX_SCOPES = 200
_FORM = "application/x-www-form-urlencoded"

Form = dict[str, str]


class OAuthError(Exception):
    """An error of RFC 6749 §5.2: `error` from its list, a description that says what to mend."""

    def __init__(self, error: str, description: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


class TokenEndpoint:
    """Answers the three POSTs under /auth; each is authenticated by an assertion for the token URL."""

    def __init__(self, check: AssertionCheck, tokens: AccessTokens, revocations: Revocations, clock: Clock) -> None:
        self._check = check
        self._tokens = tokens
        self._revocations = revocations
        self._clock = clock

    async def issue(self, form: Form) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc6749#section-4.4"""
        if "grant_type" not in form:
            raise OAuthError("invalid_request", "grant_type is missing")
        if form["grant_type"] != "client_credentials":
            raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials")
        client = await self._authenticate(form)
        token = await self._tokens.issue(client, _granted(form.get("scope", ""), client))
        log("token.issued", client=client.client_id, organization=client.organization)
        return {
            "access_token": token.text,
            "token_type": "bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }

    async def introspect(self, form: Form) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc7662#section-2; of another client's token it says no more than of none."""
        session = await self._own_token(form)
        if session is None or await self._revocations.is_void(session.client, session.jti, session.issued_at):
            return {"active": False}
        return {
            "active": True,
            "client_id": session.client,
            "scope": " ".join(session.scopes),
            "jti": session.jti,
            "iat": int(session.issued_at),
            "exp": int(session.expires_at),
        }

    async def revoke(self, form: Form) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc7009#section-2; a token that is none is as good as revoked."""
        session = await self._own_token(form)
        if session is not None:
            await self._revocations.revoke(session.jti, session.expires_at)
            log("token.revoked", client=session.client)
        return {}

    async def _own_token(self, form: Form) -> Session | None:
        client = await self._authenticate(form)
        if "token" not in form:
            raise OAuthError("invalid_request", "token is missing")
        try:
            session = await self._tokens.read(form["token"])
        except TokenRefusedError:
            return None
        return session if session.client == client.client_id else None

    async def _authenticate(self, form: Form) -> Client:
        if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
            raise OAuthError("invalid_request", f"client_assertion is needed, with the type {ASSERTION_TYPE}")
        try:
            client = await self._check(form["client_assertion"], self._clock.seconds())
        except AssertionRefusedError as error:
            log("assertion.refused", reason=str(error))
            raise OAuthError("invalid_client", str(error), HTTPStatus.UNAUTHORIZED) from error
        if form.get("client_id", client.client_id) != client.client_id:
            raise OAuthError("invalid_client", "client_id is not the iss of the assertion", HTTPStatus.UNAUTHORIZED)
        return client


def routes(endpoint: TokenEndpoint) -> APIRouter:
    router = APIRouter(prefix="/auth", tags=["auth"])
    answers = {"/token": endpoint.issue, "/introspect": endpoint.introspect, "/revoke": endpoint.revoke}
    for path, answer in answers.items():
        router.add_api_route(path, _posted(answer), methods=["POST"], summary=path[1:], response_class=Response)
    return router


def _posted(answer: Callable[[Form], Awaitable[dict[str, Any]]]) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        try:
            return _json(HTTPStatus.OK, await answer(await _form(request)))
        except OAuthError as error:
            return _json(error.status, {"error": error.error, "error_description": error.description})
        except DatabaseUnavailable:
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "temporarily_unavailable"})
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets OAuth JSON and no trace
            log_failure("token.failed", error)
            return _json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "server_error"})

    return post


async def _form(request: Request) -> Form:
    """Read the form strictly: a parameter twice, in the URL, or beside an Authorization header is refused."""
    if request.url.query or "authorization" in request.headers:
        raise OAuthError("invalid_request", "send everything in the form, nothing in the URL or in Authorization")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise OAuthError("invalid_request", f"the content type must be {_FORM}")
    try:
        body = await read_body(request.scope, request.receive, MAX_FORM_BYTES)
        pairs = parse_qsl(body.decode(), keep_blank_values=False, strict_parsing=True, errors="strict")
    except BodyTooLargeError as error:
        raise OAuthError("invalid_request", "the form is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from error
    except ValueError as error:
        raise OAuthError("invalid_request", "the form cannot be read") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthError("invalid_request", "a parameter is given twice")
    return form


def _granted(scope: str, client: Client) -> tuple[str, ...]:
    try:
        asked = parse_scopes(scope)
    except ScopeError as error:
        raise OAuthError("invalid_scope", str(error)) from error
    if len(asked) > MAX_SCOPES:
        raise OAuthError("invalid_scope", f"more than {MAX_SCOPES} scopes")
    if limited := next((one.text for one in asked if one.is_limited), None):
        raise OAuthError("invalid_scope", f"{limited}: scopes with search parameters are not enforced here yet")
    granted = narrow(asked, parse_scopes(client.scopes))
    if not granted:
        raise OAuthError("invalid_scope", "none of the scopes asked for is registered for this client")
    return granted


def _json(status: int, document: dict[str, Any]) -> Response:
    headers = {"cache-control": "no-store", "pragma": "no-cache"}
    return Response(msgspec.json.encode(document), status, headers, "application/json")
