"""What a client is: a system that acts for itself, or an app that people use; and what may be registered as one.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#register-smart-backend-service
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gateway.keys import Jwk, accept_jwks
from gateway.purposes import accept_purposes
from gateway.scopes import OF_PEOPLE, OF_SYSTEMS, check_grantable, read_scopes

CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
FHIR_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_URI: Final = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()+,;=%-]{1,500}", re.ASCII)
_HOST: Final = re.compile(r"([A-Za-z0-9.-]+|\[::1\])(:[0-9]{1,5})?", re.ASCII)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
NO_KEYS: Final[Jwk] = {"keys": []}
OWN_NAMES: Final = "yiyang-"
"""What begins so is the platform itself, in the audit and to whoever reads it."""
MAX_REDIRECTS: Final = 10


class RegistrationError(ValueError):
    """What cannot be registered so; the message says what to mend."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What most clients do without: the address of their keys, those of an app, further purposes, a rate of their own."""

    jwks_uri: str | None = None
    redirect_uris: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ("TREAT",)
    rate: int | None = None


class Client(Options, frozen=True, kw_only=True):
    """A registered client. `organization` is the id of its Organization, `scopes` are separated by spaces."""

    client_id: str
    organization: str
    scopes: str
    jwks: Jwk
    is_disabled: bool
    created_at: datetime

    @property
    def is_app(self) -> bool:
        """People log in at it; it does not act for itself."""
        return bool(self.redirect_uris)

    @property
    def has_keys(self) -> bool:
        return bool(self.jwks["keys"]) or self.jwks_uri is not None


def accept_client(
    client_id: str,
    organization: str,
    scopes: str,
    jwks: Mapping[str, Any] | None,
    options: Options,
    created_at: datetime,
) -> Client:
    """Return what may be registered, or raise ValueError (RegistrationError, ScopeError, KeyRefusedError, PurposeError)."""
    check_names(client_id, organization)
    for uri in options.redirect_uris[: MAX_REDIRECTS + 1]:
        check_redirect_uri(uri)
    _check_options(options, jwks)
    return Client(
        client_id=client_id,
        organization=organization,
        scopes=_accept_scopes(scopes, is_app=bool(options.redirect_uris)),
        jwks=NO_KEYS if jwks is None else accept_jwks(jwks),
        is_disabled=False,
        created_at=created_at,
        jwks_uri=options.jwks_uri,
        redirect_uris=tuple(dict.fromkeys(options.redirect_uris)),
        purposes=accept_purposes(options.purposes),
        rate=options.rate,
    )


def check_names(name: str, organization: str) -> None:
    if not CLIENT_ID.fullmatch(name):
        raise RegistrationError("a client id is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
    if name.lower().startswith(OWN_NAMES):
        raise RegistrationError(f"{name}: names that begin with {OWN_NAMES} are the platform's own")
    if not FHIR_ID.fullmatch(organization):
        raise RegistrationError("the organization is the id of an Organization resource: 1 to 64 of A-Z a-z 0-9 . -")


def check_redirect_uri(uri: str) -> None:
    """Raise RegistrationError for what is no safe, exact address to send a person back to (RFC 8252, RFC 9700)."""
    parts = urlsplit(uri) if _URI.fullmatch(uri) else urlsplit("")
    own_scheme = "." in parts.scheme and bool(parts.path) and not parts.netloc  # com.example.app:/callback
    at_loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
    is_web = (parts.scheme == "https" or at_loopback) and _HOST.fullmatch(parts.netloc)
    if not (own_scheme or is_web):
        raise RegistrationError(f"{uri}: a redirect URI is https://…, http:// on the loopback, or com.example.app:/…")


def _check_options(options: Options, jwks: Mapping[str, Any] | None) -> None:
    if len(options.redirect_uris) > MAX_REDIRECTS:
        raise RegistrationError(f"more than {MAX_REDIRECTS} redirect URIs")
    if options.rate is not None and options.rate < 1:
        raise RegistrationError("the rate is 1 request a second or more")
    if jwks is not None and options.jwks_uri is not None:
        raise RegistrationError("register the key set, or its jwks_uri, not both")
    if options.jwks_uri is not None and urlsplit(options.jwks_uri).scheme != "https":
        raise RegistrationError("jwks_uri must be https://…")
    if jwks is None and options.jwks_uri is None and not options.redirect_uris:
        raise RegistrationError("a system proves who it is: register its key set or its jwks_uri")


def _accept_scopes(text: str, *, is_app: bool) -> str:
    scopes = read_scopes(text)
    if not scopes.text:
        raise RegistrationError(f"at least one scope is needed, e.g. {'user' if is_app else 'system'}/Observation.rs")
    contexts: Sequence[str] = ("user", "patient") if is_app else ("system",)
    check_grantable(scopes, contexts, OF_PEOPLE if is_app else OF_SYSTEMS)
    return scopes.text
