"""What an app asks for when it sends a person here: read strictly, every time anew (RFC 6749 §4.1.1, RFC 7636, RFC 9700).

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
"""

import re
from typing import Final
from urllib.parse import urlencode

import msgspec

from gateway.oauth import Form, OAuthError, parse_form
from gateway.registry import Client, Clients
from gateway.scopes import Scopes, check_parameters, grant, read_scopes
from gateway.settings import GatewaySettings
from services.fhir.scopes import ScopeError

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_MAX_TEXT: Final = 1_000
_PROMPTS: Final = ("", "none", "login")


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`query` is the request as it came, to be read again when the person has typed a password."""

    client: Client
    redirect_uri: str
    scopes: Scopes
    state: str
    challenge: str
    nonce: str | None
    prompt: str
    query: str


class NotSentBackError(Exception):
    """The request names no app to which a person may be sent back: an error page is shown instead."""


class SentBackError(Exception):
    """The app is told what is wrong (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: OAuthError, redirect_uri: str, state: str | None) -> None:
        super().__init__(error.error)
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state


class ReadRequest:
    def __init__(self, settings: GatewaySettings, clients: Clients) -> None:
        self._base = settings.public_base
        self._clients = clients

    async def __call__(self, query: str) -> AuthorizationRequest:
        """Return the request, or raise NotSentBackError or SentBackError."""
        try:
            form = parse_form(query.encode())
        except OAuthError as error:
            raise NotSentBackError(error.description) from error
        client = await self._clients.get(form.get("client_id", ""))
        redirect_uri = form.get("redirect_uri", "")
        # Compared as texts: whatever else a URL could mean, it is only what was registered (RFC 9700 §4.1.3).
        if client is None or client.is_disabled or redirect_uri not in client.redirect_uris:
            raise NotSentBackError(
                "应用或回调地址未登记。 No active app of this client_id has registered this redirect_uri."
            )
        try:
            return self._read(form, client, redirect_uri, query)
        except OAuthError as error:
            raise SentBackError(error, redirect_uri, form.get("state")) from error

    def _read(self, form: Form, client: Client, redirect_uri: str, query: str) -> AuthorizationRequest:
        _check_form(form)
        if form.get("aud") != self._base:
            raise OAuthError("invalid_request", f"aud must be {self._base}")
        return AuthorizationRequest(
            client=client,
            redirect_uri=redirect_uri,
            scopes=_granted(form.get("scope", ""), client),
            state=form["state"],
            challenge=form["code_challenge"],
            nonce=form.get("nonce"),
            prompt=form.get("prompt", ""),
            query=query,
        )


def sent_back_to(redirect_uri: str, **parameters: str | None) -> str:
    """Return the URL to which a person is sent back."""
    given = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{given}"


def _check_form(form: Form) -> None:
    for name in ("request", "request_uri"):
        if name in form:
            raise OAuthError(f"{name}_not_supported", "send the parameters themselves")
    if form.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    if form.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "response_mode must be query")
    if "state" not in form or any(len(form.get(name, "")) > _MAX_TEXT for name in ("state", "nonce")):
        raise OAuthError("invalid_request", f"state is needed; state and nonce may have {_MAX_TEXT} characters")
    if form.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(form.get("code_challenge", "")):
        raise OAuthError("invalid_request", "code_challenge is needed, with code_challenge_method S256")
    if form.get("prompt", "") not in _PROMPTS:
        raise OAuthError("invalid_request", "prompt may be none or login")


def _granted(scope: str, client: Client) -> Scopes:
    try:
        check_parameters(asked := read_scopes(scope))
        granted = grant(asked, read_scopes(client.scopes))
    except ScopeError as error:
        raise OAuthError("invalid_scope", str(error)) from error
    if not granted.text:
        raise OAuthError("invalid_scope", "none of the scopes asked for is registered for this app")
    return granted
