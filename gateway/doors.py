"""The way of one FHIR request: authenticate, authorize, forward; whatever fails becomes one OperationOutcome.

Who is refused here is remembered before the answer; what goes through is remembered by the service that carries it out.

http://hl7.org/fhir/R4/http.html
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.authenticate import Authenticate
from gateway.authorize import Interaction, authorize, read_interaction
from gateway.errors import answer_to
from gateway.forward import Forward
from gateway.limits import ClientGoneError, Receive, read_body
from gateway.purposes import stated_purpose
from gateway.rates import RateLimit
from gateway.remember import Remember, caller_of
from gateway.request_id import request_id_of
from gateway.session import TREATMENT, Session
from gateway.settings import FHIR_PATH, GatewaySettings
from services.fhir.outcomes import FhirError, unsupported_media
from services.fhir.scopes import ANY
from services.kit.metrics import ROUTE
from services.kit.peers import PeerAnswer

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]

_METADATA = Interaction(ANY, "", "metadata", "capabilities")
_WITHOUT_LENGTH = frozenset({204, 304})  # https://www.rfc-editor.org/rfc/rfc9110#section-8.6
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_LARGE = frozenset({"", "$import", "Bundle/$ingest", "$process-v2"})  # paths to which many resources come at once
_REMEMBERED = frozenset({401, 403, 429})


class _Way:
    """How far a request has come, for the row that remembers a refusal."""

    __slots__ = ("interaction", "session")

    def __init__(self) -> None:
        self.session: Session | None = None
        self.interaction: Interaction | None = None


class Doors:
    """The ASGI app below /fhir."""

    def __init__(
        self,
        settings: GatewaySettings,
        authenticate: Authenticate,
        rate_limit: RateLimit,
        forward: Forward,
        remember: Remember,
    ) -> None:
        self._max_bundle_bytes = settings.max_bundle_bytes
        self._max_body_bytes = settings.max_body_bytes
        self._authenticate = authenticate
        self._rate_limit = rate_limit
        self._forward = forward
        self._remember = remember

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope["headers"])
        way = _Way()
        try:
            answer = await self._answer(scope, receive, request_id, way)
        except ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the one handler: whatever it is, the client gets an outcome
            answer = await self._refuse(error, request_id, way)
        await _send(send, answer, request_id, is_head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive, request_id: str, way: _Way) -> PeerAnswer:
        method, headers, query = scope["method"], scope["headers"], scope["query_string"]
        path = scope["path"].removeprefix(FHIR_PATH).strip("/")
        if path == "metadata" and method in ("GET", "HEAD"):
            scope[ROUTE] = f"{FHIR_PATH}/metadata"
            interaction, caller = _METADATA, caller_of(None, request_id, TREATMENT)
        else:
            way.session = session = await self._authenticate(headers, query)
            await self._rate_limit.check_session(session)
            way.interaction = interaction = read_interaction(method, path)
            scope[ROUTE] = f"{FHIR_PATH}/{interaction.route}"
            authorize(session, interaction)
            caller = caller_of(session, request_id, stated_purpose(headers, session))
        service = await self._forward.owner(interaction)
        method = "GET" if method == "HEAD" else method  # the same answer, sent without its body
        body = await self._body(scope, receive, interaction) if method in _WITH_BODY else b""
        return await self._forward(service, method, interaction.path, query, headers, body, caller)

    async def _refuse(self, error: Exception, request_id: str, way: _Way) -> PeerAnswer:
        answer = answer_to(error, request_id)
        if answer.status not in _REMEMBERED and not _is_about_security(error):
            return answer
        act, resource_type, resource_id = _what(way)
        caller = caller_of(way.session, request_id)
        try:
            await self._remember(caller, act, answer.status, resource_type=resource_type, resource_id=resource_id)
        except Exception as failure:  # noqa: BLE001 - a refusal that cannot be remembered is not answered either
            return answer_to(failure, request_id)
        return answer

    async def _body(self, scope: Scope, receive: Receive, interaction: Interaction) -> bytes:
        for name, value in scope["headers"]:
            if name == b"content-encoding" and value.strip().lower() != b"identity":
                raise unsupported_media("Send the body without Content-Encoding", text="不支持压缩的请求内容")
        is_large = interaction.path in _LARGE
        return await read_body(scope, receive, self._max_bundle_bytes if is_large else self._max_body_bytes)


def _what(way: _Way) -> tuple[str, str | None, str | None]:
    """The interaction, the type and the id that were asked for, as far as that is known."""
    asked = way.interaction
    if asked is None:
        return "authenticate", None, None
    return asked.code, None if asked.type == ANY else asked.type, asked.id


def _is_about_security(error: Exception) -> bool:
    return isinstance(error, FhirError) and error.issues[0].code == "security"


async def _send(send: Send, answer: PeerAnswer, request_id: str, *, is_head: bool) -> None:
    headers = [*answer.headers, (b"x-request-id", request_id.encode())]
    if answer.status not in _WITHOUT_LENGTH:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else answer.body})
