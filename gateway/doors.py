"""The way of one FHIR request: authenticate, authorize, forward; whatever fails becomes one OperationOutcome.

http://hl7.org/fhir/R4/http.html
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.authenticate import Authenticate
from gateway.authorize import Interaction, authorize, read_interaction
from gateway.errors import answer_to
from gateway.forward import Forward
from gateway.limits import ClientGoneError, Receive, read_body
from gateway.settings import FHIR_PATH, GatewaySettings
from gateway.tokens import Session
from services.fhir.outcomes import unsupported_media
from services.fhir.scopes import ANY
from services.kit.caller import Caller
from services.kit.ids import is_request_id, uuid7
from services.kit.peers import PeerAnswer

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]

TREATMENT = "TREAT"  # http://terminology.hl7.org/CodeSystem/v3-ActReason
_METADATA = Interaction(ANY, "", "metadata")
_WITHOUT_LENGTH = frozenset({204, 304})  # https://www.rfc-editor.org/rfc/rfc9110#section-8.6
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Doors:
    """The ASGI app below /fhir."""

    def __init__(self, settings: GatewaySettings, authenticate: Authenticate, forward: Forward) -> None:
        self._max_bundle_bytes = settings.max_bundle_bytes
        self._max_body_bytes = settings.max_body_bytes
        self._authenticate = authenticate
        self._forward = forward

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope["headers"])
        try:
            answer = await self._answer(scope, receive, request_id)
        except ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the one handler: whatever it is, the client gets an outcome
            answer = answer_to(error, request_id)
        await _send(send, answer, request_id, is_head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> PeerAnswer:
        method, headers, query = scope["method"], scope["headers"], scope["query_string"]
        path = scope["path"].removeprefix(FHIR_PATH).strip("/")
        if path == "metadata" and method in ("GET", "HEAD"):
            interaction, caller = _METADATA, Caller("", "", None, (), TREATMENT, request_id, "")
        else:
            session = await self._authenticate(headers, query)
            interaction = read_interaction(method, path)
            authorize(session, interaction)
            caller = _caller(session, request_id)
        service = await self._forward.owner(interaction)
        method = "GET" if method == "HEAD" else method  # the same answer, sent without its body
        body = await self._body(scope, receive, interaction) if method in _WITH_BODY else b""
        return await self._forward(service, method, interaction.path, query, headers, body, caller)

    async def _body(self, scope: Scope, receive: Receive, interaction: Interaction) -> bytes:
        for name, value in scope["headers"]:
            if name == b"content-encoding" and value.strip().lower() != b"identity":
                raise unsupported_media("Send the body without Content-Encoding", text="不支持压缩的请求内容")
        return await read_body(scope, receive, self._max_body_bytes if interaction.path else self._max_bundle_bytes)


def _caller(session: Session, request_id: str) -> Caller:
    return Caller(session.client, session.organization, None, session.scopes, TREATMENT, request_id, session.jti)


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """Keep the client's request id where it is harmless, so that its log and ours can be joined."""
    for name, value in headers:
        if name == b"x-request-id" and is_request_id(text := value.decode("latin-1")):
            return text
    return uuid7()


async def _send(send: Send, answer: PeerAnswer, request_id: str, *, is_head: bool) -> None:
    headers = [*answer.headers, (b"x-request-id", request_id.encode())]
    if answer.status not in _WITHOUT_LENGTH:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else answer.body})
